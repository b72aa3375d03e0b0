//! Who is waited for at the start of a role, and for how long.

use crate::ChainError;
use std::time::Duration;
use tokio::time::{self, Instant};

/// The pause before it is asked again.
const PAUSE: Duration = Duration::from_secs(2);
/// A node that lags catches up within this time, or does not follow its chain.
const LAGS: Duration = Duration::from_secs(60);

/// How long a role waits at its start where it cannot read what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Until somebody answers.
    UntilThere,
    /// A minute: whoever answers lags behind what was said before, or says nothing that can be read.
    WhileItLags,
}

impl ChainError {
    /// How long a role waits at its start; not at all where the same answer would come again.
    pub const fn wait(&self) -> Option<Wait> {
        match self {
            Self::Unreachable { .. } => Some(Wait::UntilThere),
            Self::Refused { passes: true, .. } | Self::Malformed { .. } => Some(Wait::WhileItLags),
            _ => None,
        }
    }
}

/// What a role reads from a chain at its start: as long as no endpoint answers it is read again, and for a minute where one lags or answers
/// nonsense. That is said.
///
/// # Errors
/// As `read`, where no waiting helps, or none did.
pub async fn patiently<T, Fut>(what: &str, read: impl Fn() -> Fut) -> Result<T, ChainError>
where
    Fut: Future<Output = Result<T, ChainError>>,
{
    let say = |error: &ChainError| tracing::warn!(%error, what, "waiting for an endpoint to answer");
    until_there(ChainError::wait, say, read).await
}

/// Reads again as long as `wait` says so, which is said once.
///
/// # Errors
/// As `read`, where no waiting helps, or none did.
pub async fn until_there<T, E, Fut>(
    wait: impl Fn(&E) -> Option<Wait>,
    say: impl FnOnce(&E),
    read: impl Fn() -> Fut,
) -> Result<T, E>
where
    Fut: Future<Output = Result<T, E>>,
{
    let (mut say, mut lags_since) = (Some(say), None::<Instant>);
    loop {
        let error = match read().await {
            Ok(read) => return Ok(read),
            Err(error) => error,
        };
        match wait(&error) {
            Some(Wait::UntilThere) => lags_since = None,
            Some(Wait::WhileItLags)
                if lags_since.get_or_insert_with(Instant::now).elapsed() + PAUSE <= LAGS => {}
            Some(Wait::WhileItLags) | None => return Err(error),
        }
        if let Some(say) = say.take() {
            say(&error);
        }
        time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn away() -> ChainError {
        let (method, endpoints, reason) = ("eth_call", "http://l1".to_owned(), "refused".to_owned());
        ChainError::Unreachable { method, endpoints, attempts: 5, reason }
    }

    fn refused(passes: bool) -> ChainError {
        ChainError::Refused { method: "eth_call", reason: "header not found".to_owned(), passes }
    }

    fn malformed() -> ChainError {
        ChainError::Malformed { method: "eth_call", reason: "null".to_owned() }
    }

    /// Reads what comes of each try, by its number. What came of it, after how many tries, and how often it was said.
    async fn tried(answer: impl Fn(u32) -> Result<(), ChainError>) -> (Result<(), ChainError>, u32, u32) {
        let (tries, said) = (Cell::new(0), Cell::new(0));
        let read = || async {
            tries.set(tries.get() + 1);
            answer(tries.get())
        };
        let came = until_there(ChainError::wait, |_| said.set(said.get() + 1), read).await;
        (came, tries.get(), said.get())
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_lags_is_waited_for_and_not_for_ever() {
        let (came, tries, said) = tried(|at| if at < 3 { Err(refused(true)) } else { Ok(()) }).await;
        assert!(came.is_ok(), "{came:?}");
        assert_eq!((tries, said), (3, 1));
        let (came, tries, _) = tried(|at| if at < 3 { Err(malformed()) } else { Ok(()) }).await;
        assert!(came.is_ok(), "{came:?}");
        assert_eq!(tries, 3, "a node that starts may answer nonsense");
        let (came, tries, said) = tried(|_| Err(refused(true))).await;
        assert!(came.unwrap_err().to_string().contains("header not found"));
        assert!(tries > 20 && tries < 40 && said == 1, "{tries} tries, said {said} times");
        let (came, tries, said) = tried(|_| Err(refused(false))).await;
        assert!(came.is_err());
        assert_eq!((tries, said), (1, 0), "the same answer would come again");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_away_is_waited_for_longer_and_what_lags_afterwards_is_given_its_time() {
        let (came, tries, said) = tried(|at| if at <= 200 { Err(away()) } else { Ok(()) }).await;
        assert!(came.is_ok(), "{came:?}");
        assert_eq!((tries, said), (201, 1));
        let (came, tries, _) = tried(|at| Err(if at <= 200 { away() } else { refused(true) })).await;
        assert!(came.is_err());
        assert!(tries > 220, "{tries}");
    }
}
