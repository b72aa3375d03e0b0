//! Small contracts that do one thing each, in the EVM's own words.

use alloy_eips::{eip2935, eip4788};
use alloy_primitives::{Address, Bytes, U256, address, hex};
use proofmill_optimism::OpFork;
use proofmill_stateless::{PreState, PreStateAccount};

pub(crate) const L1_BLOCK: Address = address!("0x4200000000000000000000000000000000000015");
pub(crate) const MESSAGE_PASSER: Address = address!("0x4200000000000000000000000000000000000016");
pub(crate) const DEPOSITOR: Address = address!("0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001");
/// Sequencer, base fee, L1 and operator.
pub(crate) const VAULTS: [Address; 4] = [
    address!("0x4200000000000000000000000000000000000011"),
    address!("0x4200000000000000000000000000000000000019"),
    address!("0x420000000000000000000000000000000000001A"),
    address!("0x420000000000000000000000000000000000001B"),
];

/// What a contract does when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Contract {
    /// Sets the slot of the first word to the second.
    Store = 0x10,
    /// Sets a slot, then reverts.
    Revert,
    /// Sets a slot, then halts.
    Halt,
    /// Loops until there is no gas.
    Burn,
    /// Loops as often as the first word says, at 26 gas.
    Count,
    /// Destroys itself in favour of the caller.
    Destroy,
    /// Logs a word of memory under the first two words.
    Log,
    /// Creates a contract from the calldata.
    Create,
    /// The same by CREATE2.
    Create2,
    /// Calls the first word with the rest.
    Forward,
    /// Calls the first word with as many zeros as the second says, and stores result and gas from the slot of the
    /// third on.
    Probe,
    /// Stores what a contract can see of transaction and block.
    Look,
}

impl Contract {
    pub(crate) const ALL: [Self; 12] = [
        Self::Store,
        Self::Revert,
        Self::Halt,
        Self::Burn,
        Self::Count,
        Self::Destroy,
        Self::Log,
        Self::Create,
        Self::Create2,
        Self::Forward,
        Self::Probe,
        Self::Look,
    ];

    pub(crate) const fn address(self) -> Address {
        // Behind the precompiles.
        let mut address = [0; 20];
        address[0] = 0xc0;
        address[19] = self as u8;
        Address::new(address)
    }

    fn code(self, fork: OpFork) -> Vec<u8> {
        match self {
            Self::Store => hex!("60203560003555").into(),
            Self::Revert => hex!("602a60005560206000fd").into(),
            Self::Halt => hex!("6001600055fe").into(),
            Self::Burn => hex!("5b600056").into(),
            Self::Count => hex!("6000355b600190038060035700").into(),
            Self::Destroy => hex!("33ff").into(),
            Self::Log => hex!("60203560003560206000a2").into(),
            Self::Create => hex!("36600060003736600034f0600055").into(),
            Self::Create2 => hex!("366000600037600736600034f5600055").into(),
            Self::Forward => hex!("3660006000376000600060203603602034600035" "5af1600055").into(),
            Self::Probe => hex!(
                "6020600060203560006000600035" "5af1" "60010160403555" "60005160403560010155" "5a60403560020155"
            )
            .into(),
            Self::Look => {
                let mut seen = hex!("3a4832333447414243444546" "5a").to_vec();
                if fork >= OpFork::Ecotone {
                    seen.push(0x4a);
                }
                let mut code: Vec<u8> =
                    seen.iter().zip(1..).flat_map(|(op, slot)| [*op, 0x60, slot, 0x55]).collect();
                // BLOCKHASH of the parent.
                code.extend(hex!("60014303" "40602055"));
                code
            }
        }
    }
}

/// The contract of L1's attributes, as short as it goes: it takes them from the depositor's call of the fork.
fn l1_block(fork: OpFork) -> Vec<u8> {
    match fork {
        OpFork::Canyon => hex!("604435600155" "60c435600555" "60e435600655").into(),
        OpFork::Ecotone | OpFork::Fjord | OpFork::Granite | OpFork::Holocene => ECOTONE.into(),
        OpFork::Isthmus => [&ECOTONE[..], &hex!("60a43560a01c600855")].concat(),
        OpFork::Jovian | OpFork::Karst => {
            [&ECOTONE[..], &hex!("60a43560a01c" "60a43560901c61ffff1660601b" "17600855")].concat()
        }
    }
}

const ECOTONE: [u8; 23] = hex!("60043560801c600355" "602435600155" "604435600755" "5b5b");

/// Every contract, with those of the OP Stack and of the system calls.
pub(crate) fn state(fork: OpFork) -> PreState {
    let contract = |code: Vec<u8>| PreStateAccount { nonce: 1, code: code.into(), ..Default::default() };
    let mut state: PreState = Contract::ALL.map(|kind| (kind.address(), contract(kind.code(fork)))).into();
    state.insert(L1_BLOCK, contract(l1_block(fork)));
    let mut passer = contract(Contract::Store.code(fork));
    passer.storage.insert(U256::from(1), U256::from(7));
    state.insert(MESSAGE_PASSER, passer);
    state.insert(eip2935::HISTORY_STORAGE_ADDRESS, contract(eip2935::HISTORY_STORAGE_CODE.to_vec()));
    state.insert(eip4788::BEACON_ROOTS_ADDRESS, contract(eip4788::BEACON_ROOTS_CODE.to_vec()));
    state
}

/// What L1 says, for the first transaction of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct L1Attributes {
    pub(crate) base_fee: u64,
    pub(crate) blob_base_fee: u64,
    pub(crate) base_fee_scalar: u32,
    pub(crate) blob_base_fee_scalar: u32,
    /// Before Ecotone.
    pub(crate) overhead: u64,
    pub(crate) operator_scalar: u32,
    pub(crate) operator_constant: u64,
    pub(crate) footprint_scalar: u16,
}

impl L1Attributes {
    pub(crate) const USUAL: Self = Self {
        base_fee: 3_000_000_000,
        blob_base_fee: 5_000_000,
        base_fee_scalar: 5_227,
        blob_base_fee_scalar: 1_014_213,
        overhead: 188,
        operator_scalar: 1_000,
        operator_constant: 77,
        footprint_scalar: 400,
    };

    pub(crate) fn call(&self, fork: OpFork) -> Bytes {
        let word = |value: u64| U256::from(value).to_be_bytes::<32>();
        if fork == OpFork::Canyon {
            let words = [1, 2, self.base_fee, 4, 5, 6, self.overhead, self.base_fee_scalar.into()].map(word);
            return [&hex!("015d8eb9")[..], &words.concat()].concat().into();
        }
        let selector = match fork {
            OpFork::Isthmus => hex!("098999be"),
            OpFork::Jovian | OpFork::Karst => hex!("3db6be2b"),
            _ => hex!("440a5e20"),
        };
        let mut call = selector.to_vec();
        call.extend(self.base_fee_scalar.to_be_bytes());
        call.extend(self.blob_base_fee_scalar.to_be_bytes());
        // Sequence number, time and number.
        call.extend([3_u64, 4, 5].map(u64::to_be_bytes).concat());
        call.extend([self.base_fee, self.blob_base_fee, 6, 7].map(word).concat());
        if fork >= OpFork::Isthmus {
            call.extend(self.operator_scalar.to_be_bytes());
            call.extend(self.operator_constant.to_be_bytes());
        }
        if fork >= OpFork::Jovian {
            call.extend(self.footprint_scalar.to_be_bytes());
        }
        call.into()
    }
}
