//! Fields without comparisons: OpenVM's modular extension, which has three tables for each modulus, without the third.
//!
//! A leaf of the folding tree evaluates the constraints of every table, in a table whose height is a power of two (see
//! `machine.rs`): without the comparisons of three moduli, all of the base machine fits half the height. The tables that are left are
//! OpenVM's own; programs compare numbers by their difference and a quotient.

use num_bigint::BigUint;
use openvm_algebra_circuit::{
    MODULAR_BLOCKS_32, MODULAR_BLOCKS_48, ModularExtensionExecutor as Executor,
    modular_chip::{
        ModularAir, ModularExecutor, get_modular_addsub_air, get_modular_addsub_chip,
        get_modular_addsub_executor, get_modular_muldiv_air, get_modular_muldiv_chip,
        get_modular_muldiv_executor,
    },
};
use openvm_algebra_transpiler::Rv32ModularArithmeticOpcode as Opcode;
use openvm_circuit::{
    arch::{
        AirInventory, AirInventoryError, ChipInventory, ChipInventoryError, DEFAULT_BLOCK_SIZE,
        ExecutionBridge, ExecutorInventoryBuilder, ExecutorInventoryError, InitFileGenerator,
        MatrixRecordArena, RowMajorMatrixArena, SystemConfig, VmBuilder, VmChipComplex, VmCircuitExtension,
        VmExecutionExtension, VmProverExtension,
        instructions::{LocalOpcode, VmOpcode},
    },
    derive::VmConfig,
    system::{SystemChipInventory, SystemPort, memory::SharedMemoryHelper},
};
use openvm_circuit_primitives::{
    bitwise_op_lookup::{BitwiseOperationLookupAir, SharedBitwiseOperationLookupChip},
    var_range::VariableRangeCheckerBus,
};
use openvm_cpu_backend::{CpuBackend, CpuDevice};
use openvm_mod_circuit_builder::ExprBuilderConfig;
use openvm_sdk::SC;
use openvm_sdk_config::{SdkVmConfig, SdkVmConfigExecutor, SdkVmCpuBuilder, TranspilerConfig};
use openvm_stark_backend::{EngineDeviceCtx, StarkEngine, StarkProtocolConfig, Val, p3_field::PrimeField32};
use openvm_transpiler::transpiler::Transpiler;
use serde::{Deserialize, Serialize};

/// How many opcodes a modulus has, with those of comparisons.
const OPCODES: usize = Opcode::SETUP_ISEQ as usize + 1;

/// A virtual machine of OpenVM's extensions, with fields beside them.
#[derive(Clone, Debug, Serialize, Deserialize, VmConfig)]
pub(super) struct MachineConfig {
    #[config(executor = "SdkVmConfigExecutor<F>")]
    pub(super) sdk: SdkVmConfig,
    #[extension(executor = "Executor")]
    pub(super) fields: Fields,
}

impl InitFileGenerator for MachineConfig {}

impl TranspilerConfig<super::F> for MachineConfig {
    // OpenVM's own knows the instructions of any number of moduli.
    fn transpiler(&self) -> Transpiler<super::F> {
        self.sdk.transpiler()
    }
}

/// The moduli that have sums, differences, products and quotients, but no comparisons.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Fields {
    /// How many moduli OpenVM's own extension has: instructions number these behind them.
    pub(super) first: usize,
    /// At most 48 bytes each.
    pub(super) moduli: Vec<BigUint>,
}

impl Fields {
    /// Each modulus, the offset of its opcodes, and whether it has the shorter tables.
    fn each(&self) -> impl Iterator<Item = (&BigUint, usize, bool)> {
        self.moduli.iter().enumerate().map(|(index, modulus)| {
            let offset = Opcode::CLASS_OFFSET + (self.first + index) * OPCODES;
            (modulus, offset, modulus.bits() <= 256)
        })
    }
}

fn expression<const BLOCKS: usize>(modulus: &BigUint) -> ExprBuilderConfig {
    ExprBuilderConfig { modulus: modulus.clone(), num_limbs: BLOCKS * DEFAULT_BLOCK_SIZE, limb_bits: 8 }
}

type Wrap<const BLOCKS: usize> = fn(ModularExecutor<BLOCKS, DEFAULT_BLOCK_SIZE>) -> Executor;

fn add_executors<F: 'static, const BLOCKS: usize>(
    inventory: &mut ExecutorInventoryBuilder<'_, F, Executor>,
    modulus: &BigUint,
    offset: usize,
    [sums, products]: [Wrap<BLOCKS>; 2],
) -> Result<(), ExecutorInventoryError> {
    let pointer_bits = inventory.pointer_max_bits();
    // Executing looks nothing up.
    let bus = VariableRangeCheckerBus::new(u16::MAX, 16);
    let opcodes = |from: Opcode, to: Opcode| {
        (from as usize..=to as usize).map(move |opcode| VmOpcode::from_usize(opcode + offset))
    };
    let expression = expression::<BLOCKS>(modulus);
    let executor = get_modular_addsub_executor(expression.clone(), bus, pointer_bits, offset);
    inventory.add_executor(sums(executor), opcodes(Opcode::ADD, Opcode::SETUP_ADDSUB))?;
    let executor = get_modular_muldiv_executor(expression, bus, pointer_bits, offset);
    inventory.add_executor(products(executor), opcodes(Opcode::MUL, Opcode::SETUP_MULDIV))
}

impl<F: PrimeField32> VmExecutionExtension<F> for Fields {
    type Executor = Executor;

    fn extend_execution(
        &self,
        inventory: &mut ExecutorInventoryBuilder<'_, F, Executor>,
    ) -> Result<(), ExecutorInventoryError> {
        for (modulus, offset, is_short) in self.each() {
            if is_short {
                let wrap: [Wrap<MODULAR_BLOCKS_32>; 2] =
                    [Executor::ModularAddSubRv32_32, Executor::ModularMulDivRv32_32];
                add_executors(inventory, modulus, offset, wrap)?;
            } else {
                let wrap: [Wrap<MODULAR_BLOCKS_48>; 2] =
                    [Executor::ModularAddSubRv32_48, Executor::ModularMulDivRv32_48];
                add_executors(inventory, modulus, offset, wrap)?;
            }
        }
        Ok(())
    }
}

fn add_airs<SC: StarkProtocolConfig, const BLOCKS: usize>(
    inventory: &mut AirInventory<SC>,
    modulus: &BigUint,
    offset: usize,
) -> Result<(), AirInventoryError> {
    let SystemPort { execution_bus, program_bus, memory_bridge } = inventory.system().port();
    let execution = ExecutionBridge::new(execution_bus, program_bus);
    let ranges = inventory.range_checker().bus;
    let pointer_bits = inventory.pointer_max_bits();
    // The multiplication of words brings this table, and no machine with fields is without it.
    let bits = inventory
        .find_air::<BitwiseOperationLookupAir<8>>()
        .next()
        .map(|air| air.bus)
        .ok_or_else(|| AirInventoryError::AirNotFound { name: "BitwiseOperationLookupAir".to_owned() })?;
    let expression = expression::<BLOCKS>(modulus);
    let air: ModularAir<BLOCKS, DEFAULT_BLOCK_SIZE> = get_modular_addsub_air(
        execution,
        memory_bridge,
        expression.clone(),
        ranges,
        bits,
        pointer_bits,
        offset,
    );
    inventory.add_air(air);
    let air: ModularAir<BLOCKS, DEFAULT_BLOCK_SIZE> =
        get_modular_muldiv_air(execution, memory_bridge, expression, ranges, bits, pointer_bits, offset);
    inventory.add_air(air);
    Ok(())
}

impl<SC: StarkProtocolConfig> VmCircuitExtension<SC> for Fields {
    fn extend_circuit(&self, inventory: &mut AirInventory<SC>) -> Result<(), AirInventoryError> {
        for (modulus, offset, is_short) in self.each() {
            if is_short {
                add_airs::<SC, MODULAR_BLOCKS_32>(inventory, modulus, offset)?;
            } else {
                add_airs::<SC, MODULAR_BLOCKS_48>(inventory, modulus, offset)?;
            }
        }
        Ok(())
    }
}

/// Makes the tables' contents.
struct FieldsProver;

fn add_chips<SC, RA, const BLOCKS: usize>(
    inventory: &mut ChipInventory<SC, RA, CpuBackend<SC>>,
    modulus: &BigUint,
) -> Result<(), ChipInventoryError>
where
    SC: StarkProtocolConfig,
    RA: RowMajorMatrixArena<Val<SC>>,
    Val<SC>: PrimeField32,
    SC::EF: Ord,
{
    let ranges = inventory.range_checker()?.clone();
    let pointer_bits = inventory.airs().pointer_max_bits();
    let memory = SharedMemoryHelper::new(ranges.clone(), inventory.timestamp_max_bits());
    let bits =
        inventory.find_chip::<SharedBitwiseOperationLookupChip<8>>().next().cloned().ok_or_else(|| {
            ChipInventoryError::ChipNotFound { name: "BitwiseOperationLookupChip".to_owned() }
        })?;
    let expression = expression::<BLOCKS>(modulus);
    inventory.next_air::<ModularAir<BLOCKS, DEFAULT_BLOCK_SIZE>>()?;
    inventory.add_executor_chip(get_modular_addsub_chip::<Val<SC>, BLOCKS, DEFAULT_BLOCK_SIZE>(
        expression.clone(),
        memory.clone(),
        ranges.clone(),
        bits.clone(),
        pointer_bits,
    ));
    inventory.next_air::<ModularAir<BLOCKS, DEFAULT_BLOCK_SIZE>>()?;
    inventory.add_executor_chip(get_modular_muldiv_chip::<Val<SC>, BLOCKS, DEFAULT_BLOCK_SIZE>(
        expression,
        memory,
        ranges,
        bits,
        pointer_bits,
    ));
    Ok(())
}

impl<E, SC, RA> VmProverExtension<E, RA, Fields> for FieldsProver
where
    SC: StarkProtocolConfig,
    E: StarkEngine<SC = SC, PB = CpuBackend<SC>, PD = CpuDevice<SC>>,
    RA: RowMajorMatrixArena<Val<SC>>,
    Val<SC>: PrimeField32,
    SC::EF: Ord,
{
    fn extend_prover(
        &self,
        fields: &Fields,
        inventory: &mut ChipInventory<SC, RA, CpuBackend<SC>>,
    ) -> Result<(), ChipInventoryError> {
        for (modulus, _, is_short) in fields.each() {
            if is_short {
                add_chips::<SC, RA, MODULAR_BLOCKS_32>(inventory, modulus)?;
            } else {
                add_chips::<SC, RA, MODULAR_BLOCKS_48>(inventory, modulus)?;
            }
        }
        Ok(())
    }
}

/// Builds a [`MachineConfig`] to prove on CPUs.
#[derive(Clone, Copy, Default)]
pub(super) struct Builder;

impl<E> VmBuilder<E> for Builder
where
    E: StarkEngine<SC = SC, PB = CpuBackend<SC>, PD = CpuDevice<SC>>,
{
    type VmConfig = MachineConfig;
    type SystemChipInventory = SystemChipInventory<SC>;
    type RecordArena = MatrixRecordArena<Val<SC>>;

    fn create_chip_complex(
        &self,
        config: &MachineConfig,
        circuit: AirInventory<SC>,
        context: &EngineDeviceCtx<E>,
    ) -> Result<VmChipComplex<SC, Self::RecordArena, E::PB, Self::SystemChipInventory>, ChipInventoryError>
    {
        let mut complex =
            VmBuilder::<E>::create_chip_complex(&SdkVmCpuBuilder, &config.sdk, circuit, context)?;
        VmProverExtension::<E, _, _>::extend_prover(&FieldsProver, &config.fields, &mut complex.inventory)?;
        Ok(complex)
    }
}
