//! The verifier of SNARKs in an EVM of this process: what the contracts on L1 would say of one, and for how much gas.

use crate::{
    DEVELOPMENT_CHAIN, Refusal,
    contracts::{
        InsecureDevelopmentHalo2Verifier, InsecureDevelopmentSnarkVerifier, SnarkVerifier,
        SnarkVerifier::verifyProofCall,
    },
};
use alloy_primitives::{Address, B256, Bytes, TxKind, keccak256};
use alloy_sol_types::{SolCall, SolConstructor};
use revm::{
    Context, ExecuteCommitEvm, MainBuilder, MainContext,
    bytecode::Bytecode,
    context::{TxEnv, result::ExecutionResult},
    database::InMemoryDB,
    handler::{MainnetContext, MainnetEvm},
    primitives::hardfork::SpecId,
    state::AccountInfo,
};

/// Bytes of a word.
const WORD: usize = 32;
/// Bytes that a Halo2 verifier is called with: 46 scalars and a proof of 43 words.
const HALO2_CALLDATA: usize = (46 + 43) * WORD;
/// What a transaction may take since EIP-7825.
const GAS_LIMIT: u64 = 1 << 24;

/// The contract that verifies Halo2 proofs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halo2Code {
    /// Proofmill's own, on the setup for development, whose secret everybody knows.
    InsecureDevelopment,
    /// Another one: its creation code, without arguments.
    Creation(Bytes),
    /// Another one: its code, as a chain has it.
    There(Bytes),
}

/// Why the contracts say nothing good of a SNARK.
#[derive(Debug, thiserror::Error)]
pub enum EvmVerdict {
    /// They refuse it.
    #[error("the contract refuses it: {0}")]
    Refused(Refusal),
    /// They take it also where a bit of it is changed.
    #[error(
        "the contract takes it also with a bit of {0} changed: the Halo2 verifier does not verify that; name the one that solc makes of the \
         source beside the SNARK's keys"
    )]
    TakesAltered(&'static str),
    /// The Halo2 verifier cannot be deployed.
    #[error(
        "the Halo2 verifier cannot be deployed: {0}; take the creation code that solc prints, without a constructor's arguments"
    )]
    NotDeployed(String),
    /// The contracts broke off.
    #[error("the contract broke off: {0}")]
    Halted(String),
}

/// Asks the contracts, as `contracts deploy` puts them on L1, whether `proof` proves that a run of `program` made these values
/// public; and whether they refuse it once a bit is changed, in turn of the values and of every word of the proof. Gives the gas of a
/// transaction that asks nothing else.
///
/// # Errors
/// They refuse it, take an altered one, or cannot be deployed.
pub fn verify_snark_in_evm(
    halo2: &Halo2Code,
    program: B256,
    public_values: Bytes,
    proof: Bytes,
) -> Result<u64, EvmVerdict> {
    let mut contracts = Contracts::deploy(halo2)?;
    let gas = contracts.ask(program, public_values.clone(), proof.clone())?;
    let refuses = |asked: Result<u64, EvmVerdict>, altered: &'static str| match asked {
        Ok(_) => Err(EvmVerdict::TakesAltered(altered)),
        Err(_) => Ok(()),
    };
    let mut others = public_values.to_vec();
    match others.last_mut() {
        Some(last) => *last ^= 1,
        None => others.push(0),
    }
    refuses(contracts.ask(program, others.into(), proof.clone()), "the public values")?;
    for word in 0..proof.len() / WORD {
        let mut altered = proof.to_vec();
        if let Some(last) = altered.get_mut(word * WORD + WORD - 1) {
            *last ^= 1;
        }
        // The hash of the commitments is the program's key: a rollup that asks for the altered one has the Halo2 verifier asked.
        let program = altered.get(..2 * WORD).map_or(program, keccak256);
        refuses(contracts.ask(program, public_values.clone(), altered.into()), part(word))?;
    }
    Ok(gas)
}

/// What a word of a SNARK is, as the contract takes it (`contracts/src/SnarkVerifier.sol`).
const fn part(word: usize) -> &'static str {
    match word {
        0 => "the commitment to the program",
        1 => "the commitment to the machine",
        2..14 => "the accumulator",
        34..53 => "the evaluations",
        _ => "the points",
    }
}

/// The contracts, on a chain with nothing else.
struct Contracts {
    evm: Evm,
    verifier: Address,
}

impl Contracts {
    fn deploy(halo2: &Halo2Code) -> Result<Self, EvmVerdict> {
        let mut evm = Evm::new();
        let address = match halo2 {
            Halo2Code::InsecureDevelopment => {
                evm.create(InsecureDevelopmentHalo2Verifier::BYTECODE.clone())?
            }
            Halo2Code::Creation(code) => evm.create(code.clone())?,
            Halo2Code::There(code) => evm.insert(code.clone()),
        };
        let (code, arguments) = match halo2 {
            Halo2Code::InsecureDevelopment => {
                let constructor =
                    InsecureDevelopmentSnarkVerifier::constructorCall { halo2Verifier_: address };
                (&InsecureDevelopmentSnarkVerifier::BYTECODE, constructor.abi_encode())
            }
            Halo2Code::Creation(_) | Halo2Code::There(_) => {
                let constructor = SnarkVerifier::constructorCall { halo2Verifier_: address };
                (&SnarkVerifier::BYTECODE, constructor.abi_encode())
            }
        };
        let verifier = evm.create([&code[..], &arguments].concat().into())?;
        Ok(Self { evm, verifier })
    }

    /// The gas of a transaction that asks.
    fn ask(&mut self, program: B256, public_values: Bytes, proof: Bytes) -> Result<u64, EvmVerdict> {
        let asked = verifyProofCall { programVKey: program, publicValues: public_values, proofBytes: proof };
        let result = self.evm.run(TxKind::Call(self.verifier), asked.abi_encode().into())?;
        match result {
            ExecutionResult::Success { .. } => Ok(result.tx_gas_used()),
            ExecutionResult::Revert { output, .. } => Err(EvmVerdict::Refused(Refusal::decode(&output))),
            ExecutionResult::Halt { reason, .. } => Err(EvmVerdict::Halted(format!("{reason:?}"))),
        }
    }
}

/// Whether code takes what is no proof at all: calldata of a SNARK's length, all zeros. What only passes calls on does too, because
/// nothing is behind it here.
///
/// # Errors
/// The EVM breaks off.
pub fn takes_anything(halo2: Bytes) -> Result<bool, EvmVerdict> {
    let mut evm = Evm::new();
    let at = evm.insert(halo2);
    let result = evm.run(TxKind::Call(at), vec![0; HALO2_CALLDATA].into())?;
    Ok(result.is_success())
}

/// The same of a verifier of proofs: whether it takes no proof at all for one.
///
/// # Errors
/// The EVM breaks off.
pub fn takes_any_proof(verifier: Bytes) -> Result<bool, EvmVerdict> {
    let mut evm = Evm::new();
    let at = evm.insert(verifier);
    let asked = verifyProofCall {
        programVKey: B256::repeat_byte(1),
        publicValues: Bytes::new(),
        proofBytes: Bytes::new(),
    };
    Ok(evm.run(TxKind::Call(at), asked.abi_encode().into())?.is_success())
}

/// A chain with nothing on it.
struct Evm(MainnetEvm<MainnetContext<InMemoryDB>>);

impl Evm {
    fn new() -> Self {
        let context = Context::mainnet()
            .with_db(InMemoryDB::default())
            .modify_cfg_chained(|cfg| {
                cfg.set_spec_and_mainnet_gas_params(SpecId::OSAKA);
                cfg.chain_id = DEVELOPMENT_CHAIN;
                cfg.disable_nonce_check = true;
            })
            .modify_block_chained(|block| block.prevrandao = Some(B256::ZERO));
        Self(context.build_mainnet())
    }

    fn run(&mut self, kind: TxKind, data: Bytes) -> Result<ExecutionResult, EvmVerdict> {
        self.transact(kind, data).map_err(EvmVerdict::Halted)
    }

    /// What comes of a transaction, or why there can be none such.
    fn transact(&mut self, kind: TxKind, data: Bytes) -> Result<ExecutionResult, String> {
        let chain_id = Some(DEVELOPMENT_CHAIN);
        let transaction = TxEnv { kind, data, gas_limit: GAS_LIMIT, chain_id, ..Default::default() };
        self.0.transact_commit(transaction).map_err(|error| error.to_string())
    }

    /// Puts code where nobody deployed it. A node may say anything of what its chain has.
    fn insert(&mut self, code: Bytes) -> Address {
        let at = Address::repeat_byte(0xfe);
        let code = Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code));
        let account = AccountInfo::from_bytecode(code);
        self.0.ctx.journaled_state.database.insert_account_info(at, account);
        at
    }

    fn create(&mut self, code: Bytes) -> Result<Address, EvmVerdict> {
        let created = self.transact(TxKind::Create, code);
        match created.map_err(EvmVerdict::NotDeployed)? {
            ExecutionResult::Success { output, .. } => output
                .address()
                .copied()
                .ok_or_else(|| EvmVerdict::NotDeployed("no contract came of it".to_owned())),
            ExecutionResult::Revert { output, .. } => {
                Err(EvmVerdict::NotDeployed(Refusal::decode(&output).to_string()))
            }
            ExecutionResult::Halt { reason, .. } => Err(EvmVerdict::NotDeployed(format!("{reason:?}"))),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::contracts::{AcceptsAnythingVerifier, AttestedVerifier};

    /// The program's key, the public values and the proof of a real epoch, on the setup for development.
    fn fixture() -> (B256, Bytes, Bytes) {
        let bytes = include_bytes!("../fixtures/epoch-snark.bin");
        let (program, rest) = bytes.split_first_chunk::<32>().unwrap();
        let (length, rest) = rest.split_first_chunk::<4>().unwrap();
        let (values, proof) = rest.split_at(u32::from_le_bytes(*length) as usize);
        (program.into(), values.to_vec().into(), proof.to_vec().into())
    }

    /// Creation code whose contract is STOP: PUSH1 1, PUSH0, RETURN.
    const STOPS: [u8; 4] = [0x60, 0x01, 0x5f, 0xf3];

    /// Code that takes calldata with these of its words, and looks at no others.
    fn compares(words: &[usize], calldata: &[u8]) -> Vec<u8> {
        let push = |number: usize| {
            let [high, low] = u16::try_from(number).unwrap().to_be_bytes();
            [0x61, high, low]
        };
        let mut code = Vec::new();
        for word in words {
            let at = word * WORD;
            // PUSH32 the word, CALLDATALOAD, EQ, JUMPI past a revert.
            code.push(0x7f);
            code.extend(&calldata[at..at + WORD]);
            code.extend(push(at));
            code.extend([0x35, 0x14]);
            code.extend(push(code.len() + 7));
            code.extend([0x57, 0x5f, 0x5f, 0xfd, 0x5b]);
        }
        code.push(0x00);
        code
    }

    #[test]
    fn a_verifier_that_does_not_look_at_a_part_is_found_out() {
        let (program, values, proof) = fixture();
        let mut calldata = [&proof[64..448], &proof[..64]].concat();
        for byte in keccak256(&values).0 {
            calldata.extend([0; 31]);
            calldata.push(byte);
        }
        calldata.extend(&proof[448..]);
        let halo2 = |blind: &[usize]| {
            let all = (0..calldata.len() / WORD).filter(|word| !blind.contains(word));
            Halo2Code::There(compares(&all.collect::<Vec<_>>(), &calldata).into())
        };
        let ask = |halo2: Halo2Code| verify_snark_in_evm(&halo2, program, values.clone(), proof.clone());
        // It knows one SNARK and no other: that is not found out.
        ask(halo2(&[])).unwrap();
        let digest: Vec<usize> = (14..46).collect();
        let cases: [(&[usize], &str); 7] = [
            (&digest, "the public values"),
            (&[12], "the program"),
            (&[13], "the machine"),
            (&[5], "the accumulator"),
            (&[46 + 38], "the evaluations"),
            (&[46], "the points"),
            (&[46 + 42], "the points"),
        ];
        for (blind, altered) in cases {
            let error = ask(halo2(blind)).unwrap_err();
            assert!(matches!(error, EvmVerdict::TakesAltered(_)), "{error}");
            assert!(error.to_string().contains(altered), "{altered}: {error}");
        }
        // STOP.
        for code in [Halo2Code::There(vec![0x00].into()), Halo2Code::Creation(STOPS.to_vec().into())] {
            assert!(matches!(ask(code), Err(EvmVerdict::TakesAltered(_))));
        }
    }

    #[test]
    fn a_real_snark_is_taken_and_an_altered_one_is_refused() {
        let (program, values, proof) = fixture();
        let ask = |program, values: &[u8], halo2: &Halo2Code| {
            verify_snark_in_evm(halo2, program, values.to_vec().into(), proof.clone())
        };
        let gas = ask(program, &values, &Halo2Code::InsecureDevelopment).unwrap();
        // 355,392 were measured, by the prices of Osaka.
        assert!((300_000..358_000).contains(&gas), "{gas}");
        let mut altered = values.to_vec();
        altered[31] ^= 1;
        let error = ask(program, &altered, &Halo2Code::InsecureDevelopment).unwrap_err();
        assert!(matches!(error, EvmVerdict::Refused(Refusal::Snark(_))), "{error}");
        let error = ask(B256::ZERO, &values, &Halo2Code::InsecureDevelopment).unwrap_err();
        assert!(matches!(error, EvmVerdict::Refused(Refusal::Snark(_))), "{error}");
        // The same circuit's verifier behind the contract for setups of ceremonies.
        let own = Halo2Code::Creation(InsecureDevelopmentHalo2Verifier::BYTECODE.clone());
        assert!(ask(program, &values, &own).is_ok());
        // Its code as a chain has it.
        let mut evm = Evm::new();
        let at = evm.create(InsecureDevelopmentHalo2Verifier::BYTECODE.clone()).unwrap();
        let account = evm.0.ctx.journaled_state.database.load_account(at).unwrap();
        let code = account.info.code.as_ref().unwrap().original_bytes();
        assert!(ask(program, &values, &Halo2Code::There(code.clone())).is_ok());
        assert!(!takes_anything(code).unwrap());
        // Nothing; STOP; one that delegates every call to whom its storage names, and reverts where that reverts.
        let delegates = alloy_primitives::hex!("5f5f5f5f5f545af4600e575f5ffd5b00");
        for code in [&[][..], &[0x00], &delegates] {
            assert!(takes_anything(code.to_vec().into()).unwrap(), "{code:?}");
        }
        for code in [&[][..], &[0x00], &delegates] {
            assert!(takes_any_proof(code.to_vec().into()).unwrap(), "{code:?}");
        }
        let at = evm.create(AcceptsAnythingVerifier::BYTECODE.clone()).unwrap();
        let account = evm.0.ctx.journaled_state.database.load_account(at).unwrap();
        let anything = account.info.code.as_ref().unwrap().original_bytes();
        assert!(takes_any_proof(anything).unwrap());
        let arguments = AttestedVerifier::constructorCall {
            attestors_: vec![Address::repeat_byte(1)],
            threshold_: alloy_primitives::U256::ONE,
        };
        let creation = [&AttestedVerifier::BYTECODE[..], &arguments.abi_encode()].concat();
        let at = evm.create(creation.into()).unwrap();
        let account = evm.0.ctx.journaled_state.database.load_account(at).unwrap();
        let attested = account.info.code.as_ref().unwrap().original_bytes();
        assert!(!takes_any_proof(attested).unwrap());
        for code in [&[0xfe][..], &[0x5f, 0x5f, 0xfd], &[]] {
            let error = ask(program, &values, &Halo2Code::Creation(code.to_vec().into())).unwrap_err();
            assert!(!matches!(error, EvmVerdict::Halted(_)), "{error}");
        }
    }

    #[test]
    fn code_that_no_chain_has_is_an_answer_and_no_panic() {
        let (program, values, proof) = fixture();
        let ask = |halo2| verify_snark_in_evm(&halo2, program, values.clone(), proof.clone());
        // It begins as a delegation (EIP-7702), and is none.
        for code in [&[0xef, 0x01][..], &[0xef, 0x01, 0x00], &[0xef, 0x01, 0x07, 9, 9]] {
            let code = Bytes::copy_from_slice(code);
            assert!(!takes_anything(code.clone()).unwrap());
            assert!(!takes_any_proof(code.clone()).unwrap());
            assert!(ask(Halo2Code::There(code)).is_err());
        }
        // More than a transaction may create (EIP-3860).
        let error = ask(Halo2Code::Creation(vec![0x5b; 50_000].into())).unwrap_err();
        assert!(matches!(error, EvmVerdict::NotDeployed(_)), "{error}");
    }
}
