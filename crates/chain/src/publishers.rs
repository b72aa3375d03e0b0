//! Several accounts that send for one role, one at a time: the order of a contract's calls is theirs.

use crate::{ChainError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The accounts of a role, in the order in which they are used. A clone shares the turn.
///
/// The first one sends until it cannot pay, or its transaction is stuck although it was outbid once; then the next one does, and
/// after the last the first again. A stuck transaction of the account before may still be included: what comes second of the two
/// fails, and costs its gas.
#[derive(Clone, Debug)]
pub struct Publishers {
    senders: Arc<[Sender]>,
    turn: Arc<Mutex<Turn>>,
}

#[derive(Debug, Default)]
struct Turn {
    at: usize,
    /// So many in a row could not pay.
    poor: usize,
    /// Its last transaction was not included.
    waits: bool,
}

impl Publishers {
    /// The first account, and those after it.
    pub fn new(first: Sender, others: impl IntoIterator<Item = Sender>) -> Self {
        Self { senders: std::iter::once(first).chain(others).collect(), turn: Arc::default() }
    }

    /// Begins with the account of which a transaction still waits, from before a restart, so that it is replaced and not joined by
    /// another account's; with the first where none does.
    ///
    /// # Errors
    /// L1 does not answer.
    pub async fn go_on(&self) -> Result<(), ChainError> {
        for (at, sender) in self.senders.iter().enumerate() {
            if sender.has_waiting().await? {
                self.turn().at = at;
                break;
            }
        }
        Ok(())
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them.
    pub fn all(&self) -> &[Sender] {
        &self.senders
    }

    /// Whose turn it is.
    pub fn current(&self) -> &Sender {
        // There is always one: `at` is within bounds.
        self.senders.get(self.turn().at).unwrap_or(&self.senders[0])
    }

    /// What came of a call by [`current`](Self::current); whether the next account is to try the same call at once.
    pub fn passes_on<T>(&self, came_of_it: &Result<T, ChainError>) -> bool {
        let mut turn = self.turn();
        let count = self.senders.len();
        let account = |at: usize| self.senders.get(at).map(Sender::account);
        match came_of_it {
            Err(error) if error.is_of_funds() => {
                turn.waits = false;
                turn.poor += 1;
                // It may have been sent some when its turn comes again.
                let again = turn.poor < count;
                if !again {
                    turn.poor = 0;
                }
                turn.at = (turn.at + 1) % count;
                if again {
                    tracing::warn!(%error, next = ?account(turn.at), "an account cannot pay on L1: the next one sends");
                }
                again
            }
            Err(error @ ChainError::NotIncluded { .. }) => {
                turn.poor = 0;
                // The next one of the same account replaces it with a higher fee.
                if std::mem::replace(&mut turn.waits, true) && count > 1 {
                    turn.waits = false;
                    turn.at = (turn.at + 1) % count;
                    tracing::warn!(%error, next = ?account(turn.at), "an account's transactions are stuck: the next one sends");
                }
                false
            }
            _ => {
                (turn.poor, turn.waits) = (0, false);
                false
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{CallName, L1, PoolOptions, SigningKey};
    use alloy_primitives::{B256, TxHash, U256};
    use proofmill_endpoints::Pool;
    use std::time::Duration;

    fn publishers(count: u8) -> Publishers {
        let l1 = L1::over(Pool::new("L1", PoolOptions::new("http://127.0.0.1:1".parse().unwrap())));
        let mut senders = (1..=count)
            .map(|byte| Sender::new(l1.clone(), SigningKey::try_from(B256::repeat_byte(byte)).unwrap()));
        Publishers::new(senders.next().unwrap(), senders)
    }

    fn poor(of: &Publishers) -> Result<(), ChainError> {
        let (call, account) = (CallName::VerifyBatches, of.current().account());
        Err(ChainError::InsufficientFunds { call, account, has: U256::ZERO, needs: U256::from(1) })
    }

    /// A chain that counts more than gas by its price.
    fn poor_by_word() -> Result<(), ChainError> {
        let reason =
            "insufficient funds for gas * price + value: balance 7, tx cost 8, overshot 1".to_owned();
        Err(ChainError::Refused { method: "eth_sendRawTransaction", reason, passes: false })
    }

    fn stuck() -> Result<(), ChainError> {
        let (call, transaction) = (CallName::VerifyBatches, TxHash::ZERO);
        Err(ChainError::NotIncluded { call, transaction, after: Duration::from_secs(120) })
    }

    #[tokio::test]
    async fn the_next_account_sends_where_one_cannot_pay() {
        let three = publishers(3);
        let accounts: Vec<_> = three.all().iter().map(Sender::account).collect();
        for next in [1, 2] {
            assert!(three.passes_on(&poor(&three)));
            assert_eq!(three.current().account(), accounts[next]);
        }
        // Nobody can: the caller waits, and the first is asked again.
        assert!(!three.passes_on(&poor(&three)));
        assert_eq!(three.current().account(), accounts[0]);
        assert!(!publishers(1).passes_on(&poor(&three)));
        assert!(three.passes_on(&poor_by_word()));
        assert_eq!(three.current().account(), accounts[1]);
        let (method, reason) = ("eth_sendRawTransaction", "no".to_owned());
        let refused = ChainError::Refused { method, reason, passes: false };
        assert!(!three.passes_on::<()>(&Err(refused)));
        assert_eq!(three.current().account(), accounts[1], "another one would be told the same");
    }

    #[tokio::test]
    async fn an_account_is_stuck_when_outbidding_did_not_help() {
        let two = publishers(2);
        let accounts: Vec<_> = two.all().iter().map(Sender::account).collect();
        assert!(!two.passes_on(&stuck()));
        assert_eq!(two.current().account(), accounts[0], "it outbids its own first");
        assert!(!two.passes_on(&Ok(())));
        assert!(!two.passes_on(&stuck()));
        assert!(!two.passes_on(&stuck()));
        assert_eq!(two.current().account(), accounts[1]);
        let one = publishers(1);
        for _ in 0..4 {
            assert!(!one.passes_on(&stuck()));
            assert_eq!(one.current().account(), accounts[0]);
        }
    }
}
