//! Blocks that spend their gas where proving costs most: one transaction that runs one thing in a loop.

mod precompiles;

pub(crate) use precompiles::{RECORDER, vectors};

use alloy_primitives::{Address, Bytes, U256, hex};
use precompiles::{P256, precompile};
use proofmill_stateless::Fork;

/// Every attack that is measured, at its worst, and its length in percent: enough for the cost of the thing itself, not of the
/// block around it. `benches/cycles.sh` and the tests of the committed guests run this table.
pub const ATTACKS: &[(&str, u32)] = &[
    ("ecrecover", 10),
    ("sha256", 10),
    ("sha256-short", 10),
    ("sha256-memory", 10),
    ("ripemd160", 100),
    ("ripemd160-memory", 20),
    ("identity", 10),
    ("identity-short", 10),
    ("identity-memory", 10),
    ("identity-256k", 100),
    ("modexp-32", 10),
    ("modexp-32-even", 10),
    ("modexp-256", 20),
    ("modexp-256-even", 20),
    ("modexp-1024", 50),
    ("modexp-256-square", 10),
    ("bn254-add", 10),
    ("bn254-mul", 10),
    ("bn254-pairing-1", 10),
    ("bn254-pairing-20", 25),
    ("blake2f", 34),
    ("blake2f-short", 2),
    ("kzg", 10),
    ("bls-g1-add", 10),
    ("bls-g1-msm-1", 10),
    ("bls-g1-msm-128", 25),
    ("bls-g2-add", 10),
    ("bls-g2-msm-128", 50),
    ("bls-pairing-1", 10),
    ("bls-pairing-20", 25),
    ("bls-map-g1", 10),
    ("bls-map-g2", 10),
    ("p256", 5),
    ("op-add", 10),
    ("op-mul", 10),
    ("op-div", 10),
    ("op-sdiv", 10),
    ("op-mod", 10),
    ("op-smod", 10),
    ("op-addmod", 10),
    ("op-mulmod", 10),
    ("op-exp", 10),
    ("op-signextend", 10),
    ("op-clz", 10),
    ("op-sar", 10),
    ("op-byte", 10),
    ("op-jump", 10),
    ("op-jumpi", 10),
    ("op-jumpdest", 10),
    ("op-push-pop", 10),
    ("op-dup-swap", 10),
    ("op-mload", 10),
    ("op-mstore", 10),
    ("op-mcopy", 10),
    ("op-calldatacopy", 10),
    ("op-codecopy", 10),
    ("op-returndatacopy", 10),
    ("op-keccak-32", 10),
    ("op-keccak-4096", 10),
    ("op-tstore", 10),
    ("op-sload-warm", 10),
    ("op-sstore-warm", 10),
    ("op-log0", 10),
    ("op-log4", 10),
    ("op-selfbalance", 10),
    ("op-blockhash", 10),
    ("op-extcodecopy-warm", 10),
    ("op-extcodesize-24k", 20),
    ("op-extcodecopy-24k", 20),
    ("op-extcodehash", 10),
    ("call-24k", 20),
    ("call-warm", 10),
    ("balances", 10),
    ("slots", 10),
    ("sstores", 10),
    ("access-list", 10),
    ("authorizations", 10),
    ("create", 10),
    ("create2-48k", 50),
];

/// A contract in a loop, and what it is called with.
pub struct Attack {
    pub(crate) code: Bytes,
    pub(crate) calldata: Bytes,
    pub(crate) fork: Fork,
    /// Storage that the contract has before: what cold reads find.
    pub(crate) slots: Vec<U256>,
    /// Codes of other accounts, the first at [`target`] 1.
    pub(crate) targets: Vec<Bytes>,
    /// The transaction's access list names all slots.
    pub(crate) listed: bool,
    /// How many authorizations (EIP-7702) the transaction has.
    pub(crate) authorizations: u32,
}

/// What tells targets' addresses from those of precompiles.
const TARGETS: u64 = 0xc0de_0000;

/// The address of a target.
pub(crate) fn target(n: u64) -> Address {
    Address::from_word(U256::from(TARGETS | n).into())
}

/// Codes of the greatest length, no two the same, that end at once when they are called: the bytes behind are jump
/// destinations, which take most to look for.
fn large_codes(count: u32) -> Vec<Bytes> {
    let code = |n: u32| Bytes::from([&[0][..], &n.to_be_bytes(), &[0x5b; 24_576 - 5]].concat());
    (1..=count).map(code).collect()
}

/// The names, what each runs once a turn, and after how many turns about 3 million gas are spent.
const OPCODES: &[(&str, &[u8], u32)] = &[
    // Operands are words of the call's data, and the number of turns left, which stays on the stack.
    ("op-add", &hex!("5f35810150"), 250_000),
    ("op-mul", &hex!("5f35800250"), 200_000),
    ("op-div", &hex!("70fdfdfdfdfdfdfdfdfdfdfdfdfdfdfdfdfd5f350450"), 180_000),
    // A negative dividend of full length, by a positive divisor: two numbers are negated.
    ("op-sdiv", &hex!("70fdfdfdfdfdfdfdfdfdfdfdfdfdfdfdfdfd6060350550"), 180_000),
    ("op-mod", &hex!("70fdfdfdfdfdfdfdfdfdfdfdfdfdfdfdfdfd5f350650"), 180_000),
    // By a negative divisor: three are.
    (
        "op-smod",
        &hex!("7fffffffffffffffffffffffffffffff02020202020202020202020202020202036060350750"),
        180_000,
    ),
    ("op-addmod", &hex!("6040356020355f350850"), 110_000),
    ("op-mulmod", &hex!("6040356020355f350950"), 110_000),
    ("op-exp", &hex!("5f35800a50"), 1_800),
    ("op-signextend", &hex!("5f3560070b50"), 200_000),
    // Of 1: all limbs are looked at.
    ("op-clz", &hex!("60011e50"), 300_000),
    ("op-sar", &hex!("5f3560071d50"), 200_000),
    ("op-byte", &hex!("5f3560071a50"), 200_000),
    ("op-jumpdest", &hex!("5b"), 3_000_000),
    ("op-push-pop", &hex!("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff50"), 600_000),
    ("op-dup-swap", &hex!("8080915050"), 220_000),
    ("op-mload", &hex!("60015150"), 350_000),
    ("op-mstore", &hex!("5f35600152"), 250_000),
    ("op-mcopy", &hex!("61100060015f5e"), 7_500),
    // 127 bytes of the call's data, and 256 of the code, from odd addresses.
    ("op-calldatacopy", &hex!("607f60015f37"), 130_000),
    ("op-codecopy", &hex!("61010060015f39"), 85_000),
    ("op-keccak-32", &hex!("60205f2050"), 70_000),
    ("op-keccak-4096", &hex!("6110005f2050"), 3_700),
    ("op-tstore", &hex!("5f35815d"), 25_000),
    ("op-sload-warm", &hex!("5f5450"), 28_000),
    ("op-sstore-warm", &hex!("805f55"), 28_000),
    ("op-log0", &hex!("5f5fa0"), 7_900),
    ("op-log4", &hex!("5f5f5f5f5f5fa4"), 1_600),
    ("op-selfbalance", &hex!("4750"), 430_000),
    // The parent's.
    ("op-blockhash", &hex!("600143034050"), 100_000),
    ("op-extcodecopy-warm", &hex!("61010060015f303c"), 22_000),
    ("call-warm", &hex!("5f5f5f5f63c0de00015afa50"), 25_000),
];
/// How often a loop's body repeats a cheap instruction, so that the loop itself does not count.
const UNROLLED: u32 = 50;

fn repeated(bytes: &[u8], times: usize) -> Vec<u8> {
    bytes.repeat(times)
}

/// The call's data in memory, then `body` again and again. The number of turns left is on the stack.
fn looped(body: &[u8], turns: u32) -> Bytes {
    looped_after(&[], body, turns)
}

/// As [`looped`], after something that is run once.
fn looped_after(before: &[u8], body: &[u8], turns: u32) -> Bytes {
    let mut code = [&hex!("365f5f37")[..], before].concat();
    code.push(0x63);
    code.extend(turns.to_be_bytes());
    let start = code.len() as u16;
    code.push(0x5b);
    code.extend(body);
    code.extend(hex!("60019003"));
    code.extend([0x80, 0x61]);
    code.extend(start.to_be_bytes());
    code.extend([0x57, 0x00]);
    code.into()
}

/// A loop's body of jumps, each to the next: what is pushed before, and the opcode.
fn jumps(before: &[u8], opcode: u8) -> Vec<u8> {
    // Where `looped` puts its body.
    let mut at = 10;
    let mut body = Vec::new();
    for _ in 0..UNROLLED {
        let to = at + before.len() as u16 + 4;
        body.extend_from_slice(before);
        body.push(0x61);
        body.extend(to.to_be_bytes());
        body.extend([opcode, 0x5b]);
        at = to + 1;
    }
    body
}

/// Fills memory with a STOP and 64 KiB of jump destinations behind it: a word, and then twice as much each time.
fn large_memory() -> Vec<u8> {
    let mut code = [&[0x7f][..], &[0x5b; 32], &hex!("602052")].concat();
    code.extend([&[0x7f, 0][..], &[0x5b; 31], &hex!("5f52")].concat());
    for length in (0..11).map(|n| 32_u32 << n) {
        for pushed in [length, 32, 32 + length] {
            code.push(0x62);
            code.extend(&pushed.to_be_bytes()[1..]);
        }
        code.push(0x5e);
    }
    code
}

/// A static call of an address with all of the data.
fn call(address: &[u8]) -> Vec<u8> {
    let push = if address.len() == 1 { vec![0x60] } else { vec![0x61] };
    [&hex!("5f5f365f")[..], &push, address, &hex!("5afa50")].concat()
}

/// The attack of this name. `scale` multiplies the turns of the loop, in percent.
pub(crate) fn attack(name: &str, scale: u32) -> Option<Attack> {
    let turns = |turns: u32| (turns * scale / 100).max(1);
    let plain = |code, calldata: Vec<u8>| Attack {
        code,
        calldata: calldata.into(),
        fork: Fork::Prague,
        slots: Vec::new(),
        targets: Vec::new(),
        listed: false,
        authorizations: 0,
    };
    let operands = [[0xff; 32], [0xfd; 32], [0x7e; 32], [0x81; 32]].concat();
    if let Some((_, body, number)) = OPCODES.iter().find(|(other, ..)| *other == name) {
        let code = looped(&repeated(body, UNROLLED as usize), turns(*number / UNROLLED));
        let fork = if name == "op-clz" { Fork::Osaka } else { Fork::Prague };
        let targets = if name == "call-warm" { large_codes(1) } else { Vec::new() };
        return Some(Attack { fork, targets, ..plain(code, operands) });
    }
    if let Some((address, data, number)) = precompile(name) {
        return Some(plain(looped(&call(&[address]), turns(number)), data));
    }
    // Cold reads. The slot is the number of turns left, below a constant in its second limb: the seed that the hasher of
    // an older guest had, with which all such slots fell on one place.
    let sloads = |high: u64| {
        let number = turns(1_000);
        let body = [&hex!("80")[..], &[0x77], &high.to_be_bytes(), &[0; 16], &hex!("175450")].concat();
        let slots = (1..=number).map(|n| U256::from(high) << 128 | U256::from(n)).collect();
        Attack { slots, ..plain(looped(&body, number), Vec::new()) }
    };
    // What is read of targets, of which each turn has another. Their number is on the stack; `under` words lie above it.
    let targets = |before: &[u8], under: u8, after: &[u8]| {
        let number = turns(1_100);
        let address = [&[0x80 + under, 0x63][..], &(TARGETS as u32).to_be_bytes(), &[0x17]].concat();
        let code = looped(&[before, &address[..], after].concat(), number);
        Attack { targets: large_codes(number), ..plain(code, Vec::new()) }
    };
    Some(match name {
        "op-extcodesize-24k" => targets(&[], 0, &hex!("3b50")),
        "op-extcodehash" => targets(&[], 0, &hex!("3f50")),
        // 32 bytes to memory's beginning.
        "op-extcodecopy-24k" => targets(&hex!("60205f5f"), 3, &hex!("3c")),
        "call-24k" => targets(&hex!("5f5f5f5f"), 4, &hex!("5afa50")),
        "op-jump" => plain(looped(&jumps(&[], 0x56), turns(250_000 / UNROLLED)), Vec::new()),
        "op-jumpi" => plain(looped(&jumps(&hex!("6001"), 0x57), turns(170_000 / UNROLLED)), Vec::new()),
        "op-returndatacopy" => {
            // The identity of 128 bytes, of which 127 are copied, from an odd address.
            let body =
                [&hex!("5f5f60805f60045afa50")[..], &repeated(&hex!("607f60015f3e"), UNROLLED as usize)]
                    .concat();
            plain(looped(&body, turns(130_000 / UNROLLED)), operands)
        }
        // Writes to slots that are there, each for the first time.
        "sstores" => {
            let number = turns(590);
            let slots = (1..=number).map(U256::from).collect();
            Attack { slots, ..plain(looped(&hex!("808055"), number), Vec::new()) }
        }
        // Reads of slots that the access list has made warm, and nothing else has read.
        "access-list" => {
            let number = turns(1_400);
            let slots = (1..=number).map(U256::from).collect();
            Attack { slots, listed: true, ..plain(looped(&hex!("805450"), number), Vec::new()) }
        }
        "authorizations" => {
            Attack { authorizations: turns(120), ..plain(Bytes::from_static(&[0]), Vec::new()) }
        }
        // 49,152 bytes that end at once, the rest jump destinations; another salt each time.
        "create2-48k" => {
            let body = hex!("8061c0005f5ff550");
            plain(looped_after(&large_memory(), &body, turns(67)), Vec::new())
        }
        "p256" => {
            Attack { fork: Fork::Osaka, ..plain(looped(&call(&[1, 0]), turns(430)), hex::decode(P256).ok()?) }
        }
        "slots" => sloads(0),
        "slots-colliding" => {
            let number = turns(1_000);
            let body =
                [&hex!("8067")[..], &0xd2a1_109e_9fd7_772f_u64.to_be_bytes(), &hex!("60401b175450")].concat();
            let slots =
                (1..=number).map(|n| U256::from(0xd2a1_109e_9fd7_772f_u64) << 64 | U256::from(n)).collect();
            Attack { slots, ..plain(looped(&body, number), Vec::new()) }
        }
        "slots-high" => sloads(u64::MAX),
        // 262,144 bytes a time, for 47 million gas: without memory given back, more than there is.
        "identity-256k" => plain(looped(&hex!("5f5f620400005f60045afa50"), turns(1_900)), Vec::new()),
        // 65,536 bytes of memory, for which no data are paid.
        "sha256-memory" => plain(looped(&hex!("5f5f620100005f60025afa50"), turns(120)), Vec::new()),
        "ripemd160-memory" => plain(looped(&hex!("5f5f620100005f60035afa50"), turns(12)), Vec::new()),
        "identity-memory" => plain(looped(&hex!("5f5f620100005f60045afa50"), turns(480)), Vec::new()),
        "balances" => plain(looped(&hex!("803150"), turns(1_100)), Vec::new()),
        "create" => plain(looped(&hex!("5f5f5ff050"), turns(90)), Vec::new()),
        _ => return None,
    })
}
