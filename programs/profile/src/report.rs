//! Who ran how many instructions.

use object::{Object, ObjectSymbol, SymbolKind};
use std::collections::{BTreeMap, HashMap};

struct Function {
    name: String,
    own: u64,
    below: u64,
    active: u32,
}

/// Functions by address, and the stack of those that run.
pub struct Functions {
    starts: Vec<u32>,
    functions: Vec<Function>,
    at: HashMap<u32, usize>,
    /// Function and the stack pointer at its entry.
    stack: Vec<(usize, u32)>,
    /// For memcpy and its like: who called it last, and how much it ran for each caller.
    caller: usize,
    copies: BTreeMap<(usize, usize), (u64, u64)>,
}

impl Functions {
    pub fn new(file: &object::File<'_>) -> Self {
        let mut named = BTreeMap::new();
        for symbol in file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0) {
            let name = format!("{:#}", rustc_demangle::demangle(symbol.name().unwrap_or("?")));
            named.insert(symbol.address() as u32, name);
        }
        let starts: Vec<u32> = named.keys().copied().collect();
        let at = starts.iter().enumerate().map(|(i, start)| (*start, i)).collect();
        let functions = named.into_values().map(|name| Function { name, own: 0, below: 0, active: 0 }).collect();
        Self { starts, functions, at, stack: Vec::new(), caller: 0, copies: BTreeMap::new() }
    }

    /// Counts one instruction. A function is entered at its first instruction, and left when another runs above its stack.
    pub fn count(&mut self, pc: u32, return_address: u32, stack_pointer: u32) {
        let current = self.starts.partition_point(|start| *start <= pc).saturating_sub(1);
        if self.functions.is_empty() {
            return;
        }
        if self.stack.last().map(|(function, _)| *function) != Some(current) || self.at.contains_key(&pc) {
            if self.at.get(&pc) == Some(&current) && self.stack.last().is_none_or(|(_, sp)| stack_pointer <= *sp) {
                self.stack.push((current, stack_pointer));
                self.functions[current].active += 1;
            } else {
                while let Some((function, sp)) = self.stack.last().copied() {
                    if function == current && stack_pointer <= sp {
                        break;
                    }
                    self.functions[function].active -= 1;
                    self.stack.pop();
                }
                if self.stack.is_empty() {
                    self.stack.push((current, stack_pointer));
                    self.functions[current].active += 1;
                }
            }
        }
        self.functions[current].own += 1;
        if self.functions[current].name.starts_with("mem") {
            let entered = self.at.get(&pc) == Some(&current);
            if entered {
                self.caller = self.starts.partition_point(|start| *start <= return_address).saturating_sub(1);
            }
            let count = self.copies.entry((current, self.caller)).or_default();
            count.0 += u64::from(entered);
            count.1 += 1;
        }
        let mut seen = usize::MAX;
        for (function, _) in &self.stack {
            if *function != seen {
                self.functions[*function].below += u64::from(self.functions[*function].active == 1);
                seen = *function;
            }
        }
    }

    pub fn print(mut self, total: u64, special: &BTreeMap<&'static str, u64>) {
        println!("{total} instructions, among them");
        for (name, count) in special {
            println!("{count:>12}  {name}");
        }
        let mut crates: BTreeMap<String, u64> = BTreeMap::new();
        for function in &self.functions {
            let name = function.name.trim_start_matches(['<', '&']).trim_start_matches("mut ");
            let name = name.split("::").next().unwrap_or(name).split([' ', '<']).next().unwrap_or(name);
            *crates.entry(name.to_owned()).or_default() += function.own;
        }
        let mut crates: Vec<_> = crates.into_iter().collect();
        crates.sort_by_key(|(_, own)| std::cmp::Reverse(*own));
        println!("\nown instructions by crate");
        for (name, own) in crates.iter().take(20) {
            println!("{own:>12} {:>5.1} %  {name}", *own as f64 * 100.0 / total as f64);
        }
        let mut copies: Vec<_> = self.copies.iter().collect();
        copies.sort_by_key(|(_, (_, count))| std::cmp::Reverse(*count));
        println!("\ninstructions and calls of memory functions, by caller");
        for ((function, caller), (calls, count)) in copies.into_iter().take(40) {
            let name: String = self.functions[*caller].name.chars().take(140).collect();
            println!("{count:>12} {calls:>8} {} for {name}", self.functions[*function].name);
        }
        for (title, key) in [("own", 0), ("with what it calls", 1)] {
            self.functions.sort_by_key(|f| std::cmp::Reverse(if key == 0 { f.own } else { f.below }));
            println!("\ninstructions by function, {title}");
            for function in self.functions.iter().take(45) {
                let count = if key == 0 { function.own } else { function.below };
                let name: String = function.name.chars().take(140).collect();
                println!("{count:>12} {:>5.1} %  {name}", count as f64 * 100.0 / total as f64);
            }
        }
    }
}
