//! `proofmill proposer`.

use crate::{
    cli, keys,
    observe::{self, Observed},
    stop, wiring,
};
use eyre::{Result, bail};
use proofmill_chain::BlockAt;
use proofmill_devnet::Proposer;
use std::time::Duration;

pub(crate) async fn run(args: cli::Proposer) -> Result<()> {
    let stop = stop::on_signal()?;
    let payer = keys::payer(&args.paying).await?;
    let observed = Observed::new("proposer");
    observe::serve(&args.observing, observed.clone(), stop.clone()).await?;
    let rollup = tokio::select! {
        rollup = wiring::rollup_of_role(&args.chains, &observed) => rollup?,
        () = stop.cancelled() => return Ok(()),
    };
    let current = wiring::patiently("the rules in force", || rollup.current_rules()).await?;
    let (account, expected) = (payer.address(), current.rules.proposer);
    let next = wiring::scheduled(&rollup).await?.map(|scheduled| scheduled.rules.proposer);
    if account != expected && next != Some(account) && !args.after_silence {
        bail!(
            "the rollup takes checkpoints from {expected}, and this is the key of {account}: with --after-silence it proposes \
             when {expected} was silent for as long as the contract says"
        );
    }
    let l2 = tokio::select! {
        l2 = wiring::l2_of_role(&args.l2, Some(rollup.config().chain_id), &observed) => l2?,
        () = stop.cancelled() => return Ok(()),
    };
    let sender = wiring::sender(rollup.l1(), payer, &args.sending, Some(&observed)).await?;
    observed.account(observe::watch_account(sender.clone(), stop.clone()));
    observed.started(Vec::new);
    tracing::info!(rollup = %rollup.address(), %account, "the proposer is ready");
    let up_to = if args.latest { BlockAt::Latest } else { BlockAt::Finalized };
    Proposer::new(rollup, l2, sender)
        .up_to(up_to)
        .l1_block_time(Duration::from_secs(args.l1_block_time))
        .max_blocks(args.max_blocks)
        .run(stop)
        .await;
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use proofmill_chain::{
        GenesisBlock, L1, L2, Limits, PoolOptions, ProofTypeConfig, Roles, RollupConfig, Sender,
        deploy_accepts_anything_verifier, deploy_rollup,
    };
    use proofmill_localnet::{Anvil, AnvilOptions};
    use proofmill_primitives::{CheckpointNumber, ProgramVersion, ProverType, SlotClock};
    use proofmill_proxy::{Action, Proxy};
    use serde_json::{Value, json};
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Instant,
    };
    use tokio_util::sync::CancellationToken;

    const START: u64 = 4_000_000_000;
    /// Longer than anything here takes, also where the machine does much else.
    const PATIENCE: Duration = Duration::from_secs(300);

    /// Makes a block of that time.
    async fn mine(node: &Anvil, time: u64) {
        let client = proofmill_http::rpc_client(node.rpc_url().clone());
        client.request::<_, Value>("evm_setNextBlockTimestamp", json!([time])).await.unwrap();
        client.request::<_, Value>("evm_mine", json!([])).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn blocks_of_a_chain_that_is_replaced_while_they_are_chosen_are_not_proposed() {
        let l2_node = AnvilOptions::new().genesis_timestamp(START).spawn().await.unwrap();
        let l1_node = AnvilOptions::new().genesis_timestamp(START).spawn().await.unwrap();
        let l1 = L1::connect(PoolOptions::new(l1_node.rpc_url().clone()), None).await.unwrap();
        let l2 = L2::connect(PoolOptions::new(l2_node.rpc_url().clone()), None).await.unwrap();
        let sender = Sender::new(l1, l1_node.accounts()[0].private_key.try_into().unwrap());
        let number = |number: u64| number.try_into().unwrap();
        let clock = SlotClock {
            genesis: START,
            slot_seconds: number(100),
            epoch_slots: number(2),
            window_epochs: number(2),
        };
        let genesis = l2.block(BlockAt::Number(0)).await.unwrap().unwrap();
        let config = RollupConfig {
            chain_id: l2.chain_id(),
            clock,
            limits: Limits::of(&clock),
            genesis: GenesisBlock {
                number: 0,
                hash: genesis.hash,
                state_root: genesis.state_root,
                timestamp: genesis.timestamp,
            },
            config_hash: B256::repeat_byte(1),
            proposer: sender.account(),
            proof_types: vec![ProofTypeConfig {
                prover: ProverType::Exec,
                verifier: deploy_accepts_anything_verifier(&sender, B256::ZERO).await.unwrap().address,
                range_key: ProgramVersion(B256::repeat_byte(2)),
                aggregation_key: ProgramVersion(B256::repeat_byte(3)),
            }],
        };
        let (rollup, _) = deploy_rollup(&sender, &config, Roles::default(), B256::ZERO).await.unwrap();
        mine(&l2_node, START + 140).await;
        mine(&l1_node, START + 150).await;
        // The block before those of the next checkpoint is as L1 has it when it is looked at first, and another one from then on.
        let asked = Arc::new(AtomicUsize::new(0));
        let looked = Arc::clone(&asked);
        let node = Proxy::new(l2_node.rpc_url(), move |request| {
            let of_parent = request.method == "eth_getBlockByNumber" && request.params[0] == "0x0";
            if !of_parent || looked.fetch_add(1, Ordering::SeqCst) == 0 {
                return Action::Forward;
            }
            Action::change(|mut block| {
                block["hash"] = json!(B256::repeat_byte(7));
                block
            })
        })
        .await;
        let l2 = L2::connect(PoolOptions::new(node.url.clone()), None).await.unwrap();
        let stop = CancellationToken::new();
        let proposer = Proposer::new(rollup.clone(), l2, sender).l1_block_time(Duration::from_secs(30));
        let running = tokio::spawn(proposer.run(stop.clone()));
        let pending = async || rollup.tips().await.unwrap().pending;
        let until = Instant::now() + PATIENCE;
        while asked.load(Ordering::SeqCst) < 4 && pending().await == CheckpointNumber(0) {
            assert!(Instant::now() < until, "it does not look");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        stop.cancel();
        running.await.unwrap();
        assert_eq!(pending().await, CheckpointNumber(0), "it follows on no checkpoint");
    }
}
