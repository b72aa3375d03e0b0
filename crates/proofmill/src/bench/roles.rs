//! What each process of a session is told: the words that a user would type.

use super::session::Place;
use crate::{cli, dev::Role, keys};
use proofmill_bench::steps::Gpu;
use proofmill_devnet::DevKeys;
use proofmill_primitives::{ProverType, Weight};
use std::path::PathBuf;
use url::Url;

pub(super) const L1: &str = "l1";
pub(super) const L2: &str = "l2";
pub(super) const LOAD: &str = "load";
pub(super) const COORDINATOR: &str = "coordinator";

/// Who starts the processes of a session.
pub(super) struct Cast<'a> {
    pub(super) run: &'a cli::Run,
    pub(super) prover: ProverType,
    /// Where they keep what they work on.
    pub(super) work: PathBuf,
    /// What is measured, where it is another binary than this.
    pub(super) binary: Option<PathBuf>,
    /// The binary that has the prover type, where this one lacks it.
    pub(super) helper: Option<PathBuf>,
}

impl Cast<'_> {
    fn role(&self, name: &str, words: Vec<String>) -> Role {
        let mut all = words;
        all.push(format!("--data-dir={}", self.work.join(name).display()));
        Role { name: name.to_owned(), binary: self.binary.clone(), words: all, environment: Vec::new() }
    }

    /// Deploys the contracts, keeps L2, and proposes.
    pub(super) fn l2(&self, l1: &Url) -> Role {
        let run = self.run;
        self.role(
            L2,
            vec![
                "localnet".into(),
                format!("--prover={}", self.prover),
                format!("--slot-seconds={}", run.slot_seconds),
                format!("--on-l1={l1}"),
                format!("--l2-port={}", run.l2_port),
                format!("--l2-mempool-limit={}", run.l2_mempool_limit),
                format!("--metrics-listen=127.0.0.1:{}", run.metrics_port),
            ],
        )
    }

    /// Sends one round, or until it is told to end. `key` pays; without it the first of the accounts that are named does.
    pub(super) fn load(&self, place: &Place, key: Option<String>) -> Role {
        let run = self.run;
        let words = vec![
            "load".into(),
            format!("--kind={}", run.kind()),
            match &run.account_keys {
                Some(file) => format!("--account-keys={}", file.display()),
                None => format!("--accounts={}", run.accounts),
            },
            format!("--transactions={}", run.transactions()),
            format!("--endless={}", run.is_endless()),
            format!("--mempool-limit={}", run.l2_mempool_limit),
        ];
        let mut role = self.role(LOAD, words);
        role.environment = vec![("LOAD_TEST_RPC_URL", place.l2_rpc.to_string())];
        role.environment.extend(key.map(|key| (keys::LOAD_KEY, key)));
        role
    }

    pub(super) fn coordinator(&self, place: &Place, listen: u16, metrics: u16) -> Role {
        let prover = DevKeys::well_known(0).map(|keys| keys.prover.address()).unwrap_or_default();
        let words = vec![
            "proof-coordinator".into(),
            format!("--rollup={}", place.rollup),
            format!("--prover-id={prover}"),
            "--prove-only".into(),
            format!("--pull-listen=127.0.0.1:{listen}"),
            format!("--metrics-listen=127.0.0.1:{metrics}"),
            "--poll-interval=500".into(),
            // A batch that takes as long as the session may is proven once all the same.
            format!("--prover-timeout={}", self.run.timeout),
        ];
        let mut role = self.role(COORDINATOR, words);
        // Every user of the machine sees the words, and an address may hold an access key.
        role.environment = vec![("L1_RPC", place.l1_rpc.to_string()), ("L2_RPC", place.l2_rpc.to_string())];
        role
    }

    /// One of the provers, with its share of this machine's memory where there are several.
    pub(super) fn prover(&self, number: u32, coordinator: u16, share: Option<Weight>) -> Role {
        let name = prover_name(number);
        let mut words = vec![
            "prover".into(),
            format!("--coordinator=http://127.0.0.1:{coordinator}"),
            format!("--prover-type={}", self.prover),
            "--timed".into(),
        ];
        match share {
            Some(share) => words.push(format!("--max-weight={}", share.as_gb())),
            // Not the machine's own: nobody else's proof is waited for.
            None => words.push(format!("--turns={}", self.work.join("turns").display())),
        }
        let mut role = self.role(&name, words);
        role.binary = role.binary.or_else(|| self.helper.clone());
        if self.run.gpu() == Gpu::Hidden {
            // CUDA's libraries find none then.
            role.environment.push(("CUDA_VISIBLE_DEVICES", String::new()));
        }
        role
    }
}

pub(super) fn prover_name(number: u32) -> String {
    format!("prover-{number}")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{
        cli::{Bench, Cli, Command},
        settings::takes,
    };
    use clap::Parser;

    fn run(words: &[&str]) -> cli::Run {
        let words = ["proofmill", "bench", "run"].iter().chain(words);
        match Cli::try_parse_from(words).unwrap().command {
            Command::Bench(Bench::Run(run)) => *run,
            other => panic!("{other:?}"),
        }
    }

    /// What is in the environment is given as words here.
    fn parsed(role: &Role) -> Command {
        let flag = |name: &str| match name {
            "L1_RPC" => Some("--l1-rpc"),
            "L2_RPC" => Some("--l2-rpc"),
            "LOAD_TEST_RPC_URL" => Some("--rpc-url"),
            _ => None,
        };
        let named =
            role.environment.iter().filter_map(|(name, value)| Some(format!("{}={value}", flag(name)?)));
        let words: Vec<_> = role.words.iter().cloned().chain(named).collect();
        assert_eq!(takes(&words), Ok(()), "{words:?}");
        Cli::try_parse_from(std::iter::once("proofmill".to_owned()).chain(words)).unwrap().command
    }

    #[test]
    fn every_process_understands_what_it_is_told() {
        let run = run(&["--gpu=no", "--endless", "--transactions=7", "--l2-port=5000", "--timeout=7200"]);
        let (prover, work) = (ProverType::Exec, PathBuf::from("/work"));
        let cast =
            Cast { run: &run, prover, work, binary: None, helper: Some("/there/proofmill-sp1".into()) };
        let url: Url = "http://127.0.0.1:1/".parse().unwrap();
        let place = Place { l1_rpc: url.clone(), l2_rpc: url.clone(), rollup: Default::default() };
        let Command::Localnet(l2) = parsed(&cast.l2(&url)) else { panic!("no localnet") };
        assert_eq!((l2.chains.l2_port.unwrap().get(), l2.chains.on_l1), (5000, Some(url)));
        assert_eq!(l2.observing.metrics_listen.as_deref(), Some("127.0.0.1:3702"));
        let with_key = cast.load(&place, Some("key".into()));
        let Command::Load(load) = parsed(&with_key) else { panic!("no load") };
        assert!(load.endless && load.transactions == 7 && load.account_keys.is_none());
        assert!(with_key.environment.contains(&(keys::LOAD_KEY, "key".to_owned())));
        let Command::ProofCoordinator(coordinator) = parsed(&cast.coordinator(&place, 1, 2)) else {
            panic!("no coordinator")
        };
        assert_eq!(coordinator.serving.prover_timeout().as_secs(), 7_200, "as long as the session");
        let alone = cast.prover(1, 1, None);
        let Command::Prover(prover) = parsed(&alone) else { panic!("no prover") };
        assert!(prover.timed && prover.turns.is_some());
        assert_eq!(alone.binary, Some("/there/proofmill-sp1".into()));
        assert_eq!(alone.environment, [("CUDA_VISIBLE_DEVICES", String::new())]);
        let Command::Prover(shared) = parsed(&cast.prover(2, 1, Some(Weight::gb(3)))) else {
            panic!("no prover")
        };
        assert_eq!(shared.site.max_weight, Some(Weight::gb(3)));
    }

    #[test]
    fn accounts_of_a_file_go_to_the_load_and_pay_where_no_key_does() {
        let run = run(&["--account-keys=some/keys"]);
        let (prover, work) = (ProverType::Exec, PathBuf::from("/work"));
        let cast = Cast { run: &run, prover, work, binary: None, helper: None };
        let url: Url = "http://127.0.0.1:1/".parse().unwrap();
        let place = Place { l1_rpc: url.clone(), l2_rpc: url, rollup: Default::default() };
        let role = cast.load(&place, None);
        let Command::Load(load) = parsed(&role) else { panic!("no load") };
        assert_eq!(load.account_keys, Some("some/keys".into()));
        // One of the two: the other would have no use for it.
        assert!(!role.words.iter().any(|word| word.starts_with("--accounts")), "{:?}", role.words);
        assert!(role.environment.iter().all(|(name, _)| *name != keys::LOAD_KEY));
    }
}
