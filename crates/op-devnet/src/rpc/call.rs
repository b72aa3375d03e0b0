//! Calls beside blocks.

use super::{Answer, state::past};
use crate::{
    chain::Block,
    driver::Shared,
    evm::{self, Call, Called},
    seal::hashes,
    state::State,
};
use alloy_eips::BlockId;
use alloy_primitives::{TxKind, U64};
use alloy_rpc_types_eth::TransactionRequest;
use proofmill_devnode::jsonrpc::{Failure, Params};
use serde_json::json;
use std::sync::Arc;

pub(super) fn call(shared: &Shared, method: &str, params: &Params) -> Option<Answer> {
    Some(match method {
        "eth_call" => view(shared, params),
        "eth_estimateGas" => estimate(shared, params),
        _ => return None,
    })
}

/// Where a call is made.
struct Site<'a> {
    shared: &'a Shared,
    block: Arc<Block>,
    state: State,
    call: Call,
}

impl<'a> Site<'a> {
    fn new(shared: &'a Shared, params: &Params) -> Result<Self, Failure> {
        let request: TransactionRequest = params.required(0)?;
        let id: BlockId = params.block(1)?;
        let (block, past) = past(shared, id)?;
        let most = block.header.gas_limit;
        let call = Call {
            from: request.from.unwrap_or_default(),
            to: request.to.unwrap_or(TxKind::Create),
            gas: request.gas.unwrap_or(most).min(most),
            value: request.value.unwrap_or_default(),
            input: request.input.into_input().unwrap_or_default(),
        };
        Ok(Self { shared, block, state: past.state.clone(), call })
    }

    fn run(&self, gas: u64) -> Result<Called, Failure> {
        let (config, ancestors) = {
            let chain = self.shared.chain();
            (Arc::clone(&chain.config), chain.ancestors(self.block.header.number))
        };
        let call = Call { gas, ..self.call.clone() };
        let (fork, chain_id) = (config.fork, config.rules.chain_id);
        evm::call(fork, chain_id, &self.block.header, hashes(&ancestors), &self.state, call)
            .map_err(Failure::server)
    }
}

/// What a call that did not succeed is told as.
fn failed(done: &Called) -> Failure {
    match done {
        Called::Revert { output, .. } => Failure::reverted(output),
        Called::Halt { reason, .. } => Failure::server(format!("execution halted: {reason:?}")),
        Called::Success { .. } => Failure::server("execution succeeded"),
    }
}

fn view(shared: &Shared, params: &Params) -> Answer {
    let site = Site::new(shared, params)?;
    let done = site.run(site.call.gas)?;
    match &done {
        Called::Success { output, .. } => Ok(json!(output.data())),
        _ => Err(failed(&done)),
    }
}

/// The least gas with which a call succeeds, as far as that grows with it; found by halving.
fn estimate(shared: &Shared, params: &Params) -> Answer {
    let site = Site::new(shared, params)?;
    let most = site.call.gas;
    let done = site.run(most)?;
    if !done.is_success() {
        return Err(failed(&done));
    }
    let (mut low, mut high) = (done.tx_gas_used().saturating_sub(1), most);
    // What it used is often enough.
    if site.run(low + 1).is_ok_and(|done| done.is_success()) {
        return Ok(json!(U64::from(low + 1)));
    }
    // To a sixty-fourth of what is enough.
    while high - low > high / 64 {
        let middle = low + (high - low) / 2;
        match site.run(middle) {
            Ok(done) if done.is_success() => high = middle,
            _ => low = middle,
        }
    }
    Ok(json!(U64::from(high)))
}
