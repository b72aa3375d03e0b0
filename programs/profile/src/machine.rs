//! RV32IM and the extensions.

use num_bigint::BigUint;
use object::{Object, ObjectSegment};
use std::collections::{BTreeMap, VecDeque};

const MEMORY: usize = 1 << 29;
/// The blocks in which the virtual machine hashes memory, in bytes.
const BLOCK: usize = 8;
/// About as many instructions as a segment has.
const SEGMENT: u64 = 250_000;
const MODULI: [&str; 4] = [
    "115792089237316195423570985008687907853269984665640564039457584007908834671663",
    "115792089237316195423570985008687907852837564279074904382605163141518161494337",
    "21888242871839275222246405745257275088696311157297823662689037894645226208583",
    "4002409555221667393417789825735904156556882819939007885332058136124031650490837864442687629129015664037894272559787",
];

pub struct Machine {
    pub registers: [u32; 32],
    pub pc: u32,
    pub count: u64,
    pub done: bool,
    /// How often each instruction of an extension ran.
    pub special: BTreeMap<&'static str, u64>,
    /// How many blocks of memory segments touched, each counted once in each of them.
    pub touched: u64,
    memory: Vec<u8>,
    /// The last segment that touched each block, counted from 1.
    last_touch: Vec<u16>,
    input: Option<Vec<u8>>,
    hints: VecDeque<u8>,
    moduli: Vec<BigUint>,
}

impl Machine {
    pub fn load(file: &object::File<'_>, input: Vec<u8>) -> Result<Self, Box<dyn std::error::Error>> {
        let mut memory = vec![0; MEMORY];
        for segment in file.segments() {
            let data = segment.data()?;
            memory[segment.address() as usize..][..data.len()].copy_from_slice(data);
        }
        Ok(Self {
            registers: [0; 32],
            pc: file.entry() as u32,
            count: 0,
            done: false,
            special: BTreeMap::new(),
            touched: 0,
            memory,
            last_touch: vec![0; MEMORY / BLOCK],
            input: Some(input),
            hints: VecDeque::new(),
            moduli: MODULI.iter().filter_map(|text| text.parse().ok()).collect(),
        })
    }

    fn touch(&mut self, at: u32, len: usize) {
        let segment = (self.count / SEGMENT + 1) as u16;
        for block in at as usize / BLOCK..(at as usize + len).div_ceil(BLOCK) {
            self.touched += u64::from(std::mem::replace(&mut self.last_touch[block], segment) != segment);
        }
    }

    fn load_word(&self, at: u32) -> u32 {
        let at = at as usize;
        self.memory[at..at + 4].try_into().map_or(0, u32::from_le_bytes)
    }

    fn store(&mut self, at: u32, bytes: &[u8]) {
        self.touch(at, bytes.len());
        self.memory[at as usize..][..bytes.len()].copy_from_slice(bytes);
    }

    fn number(&self, at: u32, len: usize) -> BigUint {
        BigUint::from_bytes_le(&self.memory[at as usize..][..len])
    }

    fn store_number(&mut self, at: u32, value: &BigUint, len: usize) {
        let mut bytes = value.to_bytes_le();
        bytes.resize(len, 0);
        self.store(at, &bytes);
    }

    pub fn step(&mut self) -> Result<(), String> {
        let word = self.load_word(self.pc);
        self.count += 1;
        let (rd, rs1, rs2) = ((word >> 7 & 31) as usize, (word >> 15 & 31) as usize, (word >> 20 & 31) as usize);
        let (funct3, funct7) = (word >> 12 & 7, word >> 25);
        let (a, b) = (self.registers[rs1], self.registers[rs2]);
        let immediate = (word as i32 >> 20) as u32;
        let mut next = self.pc.wrapping_add(4);
        let mut result = None;
        match word & 0x7f {
            0x37 => result = Some(word & 0xffff_f000),
            0x17 => result = Some(self.pc.wrapping_add(word & 0xffff_f000)),
            0x6f => {
                let offset = ((word as i32 >> 31) << 20) as u32 & 0xfff0_0000
                    | word & 0xf_f000
                    | word >> 9 & 0x800
                    | word >> 20 & 0x7fe;
                result = Some(next);
                next = self.pc.wrapping_add(offset);
            }
            0x67 => {
                result = Some(next);
                next = a.wrapping_add(immediate) & !1;
            }
            0x63 => {
                let offset = ((word as i32 >> 31) << 12) as u32 | word << 4 & 0x800 | word >> 20 & 0x7e0 | word >> 7 & 0x1e;
                let taken = match funct3 {
                    0 => a == b,
                    1 => a != b,
                    4 => (a as i32) < b as i32,
                    5 => a as i32 >= b as i32,
                    6 => a < b,
                    _ => a >= b,
                };
                if taken {
                    next = self.pc.wrapping_add(offset);
                }
            }
            0x03 => {
                let at = a.wrapping_add(immediate) as usize;
                self.touch(at as u32, 1);
                let half = |m: &[u8]| u16::from_le_bytes([m[at], m[at + 1]]);
                result = Some(match funct3 {
                    0 => self.memory[at] as i8 as u32,
                    1 => half(&self.memory) as i16 as u32,
                    2 => self.load_word(at as u32),
                    4 => u32::from(self.memory[at]),
                    _ => u32::from(half(&self.memory)),
                });
            }
            0x23 => {
                let at = a.wrapping_add((word as i32 >> 25 << 5) as u32 | word >> 7 & 31);
                self.store(at, &b.to_le_bytes()[..1 << funct3]);
            }
            0x13 => {
                let shift = immediate & 31;
                result = Some(match funct3 {
                    0 => a.wrapping_add(immediate),
                    1 => a << shift,
                    2 => u32::from((a as i32) < immediate as i32),
                    3 => u32::from(a < immediate),
                    4 => a ^ immediate,
                    5 if funct7 & 0x20 != 0 => (a as i32 >> shift) as u32,
                    5 => a >> shift,
                    6 => a | immediate,
                    _ => a & immediate,
                });
            }
            0x33 if funct7 == 1 => {
                let (sa, sb) = (i64::from(a as i32), i64::from(b as i32));
                result = Some(match funct3 {
                    0 => a.wrapping_mul(b),
                    1 => (sa * sb >> 32) as u32,
                    2 => (sa * i64::from(b) >> 32) as u32,
                    3 => (u64::from(a) * u64::from(b) >> 32) as u32,
                    4 if b == 0 => u32::MAX,
                    4 => (a as i32).wrapping_div(b as i32) as u32,
                    5 => a.checked_div(b).unwrap_or(u32::MAX),
                    6 if b == 0 => a,
                    6 => (a as i32).wrapping_rem(b as i32) as u32,
                    _ => a.checked_rem(b).unwrap_or(a),
                });
            }
            0x33 => {
                result = Some(match (funct3, funct7) {
                    (0, 0x20) => a.wrapping_sub(b),
                    (0, _) => a.wrapping_add(b),
                    (1, _) => a << (b & 31),
                    (2, _) => u32::from((a as i32) < b as i32),
                    (3, _) => u32::from(a < b),
                    (4, _) => a ^ b,
                    (5, 0x20) => (a as i32 >> (b & 31)) as u32,
                    (5, _) => a >> (b & 31),
                    (6, _) => a | b,
                    _ => a & b,
                });
            }
            0x0f => {}
            0x0b => self.system(funct3, funct7, rd, immediate, a, b)?,
            0x2b => result = self.field(funct3, funct7, rd, rs2, a, b)?,
            other => return Err(format!("opcode {other:#x}")),
        }
        if let Some(value) = result
            && rd != 0
        {
            self.registers[rd] = value;
        }
        self.pc = next;
        Ok(())
    }

    fn note(&mut self, name: &'static str) {
        *self.special.entry(name).or_default() += 1;
    }

    /// Input and output, and hashes. The operand in `rd` is read.
    fn system(&mut self, funct3: u32, funct7: u32, rd: usize, immediate: u32, a: u32, b: u32) -> Result<(), String> {
        let target = self.registers[rd];
        match (funct3, funct7) {
            (0, _) if immediate == 0 => self.done = true,
            (0, _) => return Err(format!("the guest stops with exit code {immediate}")),
            (1, _) => {
                let words = if immediate & 0xffff == 0 { 1 } else { a };
                self.note("hint words");
                for i in 0..words * 4 {
                    let byte = self.hints.pop_front().ok_or("no hint is left")?;
                    self.store(target + i, &[byte]);
                }
            }
            (2, _) => self.note("reveal"),
            (3, _) if immediate == 0 => {
                let input = self.input.take().ok_or("no input is left")?;
                self.hints = (input.len() as u32).to_le_bytes().into_iter().chain(input).collect();
                self.hints.extend([0; 3]);
            }
            (3, _) => {
                let text = &self.memory[target as usize..][..a as usize];
                eprint!("{}", String::from_utf8_lossy(text));
            }
            (4, 0) => {
                self.note("keccak permutation");
                let mut state = [0u64; 25];
                for (i, lane) in state.iter_mut().enumerate() {
                    let at = target + 8 * i as u32;
                    *lane = u64::from(self.load_word(at)) | u64::from(self.load_word(at + 4)) << 32;
                }
                tiny_keccak::keccakf(&mut state);
                for (i, lane) in state.iter().enumerate() {
                    self.store(target + 8 * i as u32, &lane.to_le_bytes());
                }
            }
            (4, 1) => {
                self.note("keccak xor");
                self.touch(a, b as usize);
                self.touch(target, b as usize);
                for i in 0..b {
                    self.memory[(target + i) as usize] ^= self.memory[(a + i) as usize];
                }
            }
            (4, 2) => {
                self.note("sha256 block");
                let mut state = [0u32; 8];
                for (i, word) in state.iter_mut().enumerate() {
                    *word = self.load_word(a + 4 * i as u32);
                }
                let mut block = [0u8; 64];
                block.copy_from_slice(&self.memory[b as usize..][..64]);
                sha2::compress256(&mut state, &[block.into()]);
                for (i, word) in state.iter().enumerate() {
                    self.store(target + 4 * i as u32, &word.to_le_bytes());
                }
            }
            other => return Err(format!("system instruction {other:?}")),
        }
        Ok(())
    }

    /// Modular arithmetic and curves. The operand in `rd` is an address, but of comparisons.
    fn field(
        &mut self,
        funct3: u32,
        funct7: u32,
        rd: usize,
        rs2: usize,
        a: u32,
        b: u32,
    ) -> Result<Option<u32>, String> {
        let target = self.registers[rd];
        let (place, operation) = ((funct7 / 8) as usize, funct7 % 8);
        if funct3 == 1 {
            let modulus = if place == 0 { &self.moduli[0] } else { return Err("another curve".into()) }.clone();
            match operation {
                0 | 1 => self.curve(&modulus, operation == 1, target, a, b),
                _ => self.note("setup"),
            }
            return Ok(None);
        }
        let modulus = self.moduli.get(place).ok_or("another modulus")?.clone();
        // Of 32 bytes or of 48.
        let len = if modulus.bits() > 256 { 48 } else { 32 };
        self.touch(a, len);
        self.touch(b, len);
        let (x, y) = (self.number(a, len), self.number(b, len));
        let inverse = |v: &BigUint| v.modpow(&(&modulus - 2u32), &modulus);
        let value = match operation {
            0 => (x + y) % &modulus,
            1 => (x + &modulus * 2u32 - y % &modulus) % &modulus,
            2 => x * y % &modulus,
            3 => x * inverse(&y) % &modulus,
            4 => {
                self.note("modular comparison");
                return Ok(Some(u32::from(x % &modulus == y % &modulus)));
            }
            5 => {
                self.note("setup");
                return Ok((rs2 == 2).then_some(0));
            }
            6 => {
                self.hints = (&modulus - 1u32).to_bytes_le().into();
                return Ok(None);
            }
            _ => {
                self.note("square root hint");
                let root = |v: &BigUint| v.modpow(&((&modulus + 1u32) >> 2), &modulus);
                let found = root(&x);
                let square = &found * &found % &modulus == x;
                let found = if square { found } else { root(&(&modulus - x)) };
                let mut bytes = found.to_bytes_le();
                bytes.resize(len, 0);
                self.hints = u32::from(square).to_le_bytes().into_iter().chain(bytes).collect();
                return Ok(None);
            }
        };
        self.note(if operation == 3 { "modular division" } else { "modular operation" });
        self.store_number(target, &value, len);
        Ok(None)
    }

    fn curve(&mut self, p: &BigUint, double: bool, target: u32, a: u32, b: u32) {
        self.note(if double { "curve doubling" } else { "curve addition" });
        let sub = |x: &BigUint, y: &BigUint| (x + p - y) % p;
        let inverse = |v: &BigUint| v.modpow(&(p - 2u32), p);
        let (x1, y1) = (self.number(a, 32), self.number(a + 32, 32));
        let (slope, x2) = if double {
            (&x1 * &x1 * 3u32 % p * inverse(&(&y1 * 2u32 % p)) % p, x1.clone())
        } else {
            let (x2, y2) = (self.number(b, 32), self.number(b + 32, 32));
            (sub(&y2, &y1) * inverse(&sub(&x2, &x1)) % p, x2)
        };
        let x3 = sub(&sub(&(&slope * &slope % p), &x1), &x2);
        let y3 = sub(&(slope * sub(&x1, &x3) % p), &y1);
        self.store_number(target, &x3, 32);
        self.store_number(target + 32, &y3, 32);
    }
}
