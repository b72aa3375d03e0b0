//! What fills the segments of an execution: `openvm_tables ELF STDIN [BUDGET_MB]`. Prints, for each table of the virtual
//! machine, the rows that all segments together use, what they are padded to (heights are powers of two), and the cells:
//! rows times columns of the main trace, and the lookups of each row, which cost as much. Proving time follows the cells.
#![allow(clippy::unwrap_used, missing_docs)]

use openvm_sdk::openvm_circuit::arch::execution_mode::Segment;
use proofmill_backends::{Backend, Job, OpenVmBackend, SegmentBudget};

#[derive(Default)]
struct Table {
    name: String,
    width: u64,
    lookups: u64,
    rows: u64,
    padded: u64,
}

impl Table {
    fn cells(&self) -> u64 {
        self.padded * (self.width + self.lookups)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [elf, stdin, rest @ ..] = arguments.as_slice() else {
        return Err("usage: openvm_tables ELF STDIN [BUDGET_MB]".into());
    };
    let budget = SegmentBudget(rest.first().map_or(Ok(1152), |budget| budget.parse())?);
    let (program, input) = (std::fs::read(elf)?, std::fs::read(stdin)?);
    let job = Job { program: &program, input: &input, cycle_limit: None };
    let backend = OpenVmBackend::default();
    let plan = backend.plan(&job, budget)?;

    let mut tables: Vec<Table> = backend
        .tables()?
        .into_iter()
        .map(|table| Table {
            name: table.name,
            width: table.columns,
            lookups: table.lookups,
            ..Table::default()
        })
        .collect();
    for segment in &plan.segments {
        let segment: Segment = bitcode::deserialize(&segment.detail)?;
        for (table, height) in tables.iter_mut().zip(segment.trace_heights) {
            if height > 0 {
                table.rows += u64::from(height);
                table.padded += u64::from(height.next_power_of_two());
            }
        }
    }
    let all: u64 = tables.iter().map(Table::cells).sum();
    println!("{} instructions, {} segments, {all} cells", plan.execution.instructions, plan.segments.len());
    tables.sort_by_key(|table| std::cmp::Reverse(table.cells()));
    println!("| table | columns | lookups | rows | padded to | of all cells |\n|---|---|---|---|---|---|");
    for table in tables.iter().filter(|table| table.cells() * 500 > all) {
        let Table { name, width, lookups, rows, padded } = table;
        println!(
            "| {name} | {width} | {lookups} | {rows} | {padded} | {:.1} % |",
            table.cells() as f64 * 100.0 / all as f64
        );
    }
    Ok(())
}
