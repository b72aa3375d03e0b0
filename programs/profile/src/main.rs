//! Counts the instructions of an OpenVM guest by function: `profile ELF INPUT [DEPTH]`.
//!
//! ELF must have its symbols (`programs/build.sh openvm --symbols`), INPUT is the bare byte string that the guest reads.
//! Prints each function's own instructions, and the instructions below each crate's outermost function. A measuring
//! tool and no more: it runs what these guests use of OpenVM's instructions, in the order of moduli of
//! `openvm/crypto/src/init.rs` and `element.rs`, and checks nothing that a proof would check.

mod machine;
mod report;

use machine::Machine;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [elf, input, ..] = arguments.as_slice() else { return Err("usage: profile ELF INPUT".into()) };
    let elf = std::fs::read(elf)?;
    let file = object::File::parse(elf.as_slice())?;
    let mut functions = report::Functions::new(&file);
    let mut machine = Machine::load(&file, std::fs::read(input)?)?;
    while !machine.done {
        functions.count(machine.pc, machine.registers[1], machine.registers[2]);
        machine.step().map_err(|error| format!("{error} at {:#x}, after {} instructions", machine.pc, machine.count))?;
    }
    functions.print(machine.count, &machine.special);
    println!("\n{} blocks of memory touched in segments of 250,000 instructions", machine.touched);
    Ok(())
}
