//! Keys of the two circuits, and proofs by them, in the memory that `proofmill-halo2` takes for both.
//!
//! OpenVM's own functions make the same keys, and proofs of the same form, with the whole circuit beside them and every column several
//! times: twice the memory. What a circuit is stays theirs.

use super::malformed;
use crate::{BackendError, openvm::failed};
use halo2_base::{
    gates::circuit::{BaseCircuitParams, CircuitBuilderStage, builder::BaseCircuitBuilder},
    halo2_proofs::{
        halo2curves::bn256::G1Affine, poly::commitment::Params, transcript::TranscriptWriterBuffer,
    },
};
use openvm_continuations::RootSC;
use openvm_stark_backend::{
    codec::{Decode, Encode},
    proof::Proof,
};
use openvm_static_verifier::{
    Halo2Params, Halo2ProvingMetadata, Halo2ProvingPinning, Halo2WrapperProvingKey, StaticVerifierCircuit,
    StaticVerifierProvingKey, StaticVerifierShape,
    keygen::RawEvmProof,
    tracegen::graph_executor::{GraphExecutorState, GraphProgram},
};
use proofmill_halo2::{Layout, prove, read_key, witness, write_key};
use serde::{Serialize, de::DeserializeOwned};
use snark_verifier_sdk::{
    CircuitExt, NativeLoader, SHPLONK, Snark,
    halo2::{
        POSEIDON_SPEC, PoseidonTranscript,
        aggregation::{AggregationCircuit, AggregationConfigParams, VerifierUniversality},
    },
    snark_verifier::system::halo2::{Config, compile, transcript::evm::EvmTranscript},
};
use std::{
    io::{self, Read, Write},
    thread::available_parallelism,
};

/// Rows of the wrapper that stay unused, for blinding.
const SPARE_ROWS: usize = 20;
/// Bytes of a part of a key that is text: the static verifier's program has 150 MB.
const LONGEST_TEXT: u64 = 1 << 28;

/// Whether what a circuit has is wrong, or this build.
fn unmade(doing: &'static str, error: proofmill_halo2::Error) -> BackendError {
    match error {
        proofmill_halo2::Error::NotInTable { .. } => malformed(format!("{doing}: {error}")),
        other => failed(doing, other),
    }
}

/// The static verifier's key.
pub(super) struct VerifierKey(StaticVerifierProvingKey);

impl VerifierKey {
    /// Makes the key. `root` is any root: it shows what a witness looks like.
    pub(super) fn make(
        params: &Halo2Params,
        shape: StaticVerifierShape,
        circuit: StaticVerifierCircuit,
        root: &Proof<RootSC>,
    ) -> Result<Self, BackendError> {
        let graph_program = GraphProgram::new(&circuit, shape.lookup_bits, root);
        let mut builder = StaticVerifierCircuit::builder(CircuitBuilderStage::Keygen, &shape);
        circuit.populate(&mut builder, root);
        let config_params = builder.calculate_params(Some(shape.minimum_rows));
        let num_pvs = builder.assigned_instances.iter().map(Vec::len).collect();
        let made = |error| unmade("making the static verifier's key", error);
        let layout = Layout::of(params.k(), &builder).map_err(made)?;
        let metadata = Halo2ProvingMetadata { config_params, break_points: builder.break_points(), num_pvs };
        drop(builder);
        let pinning = Halo2ProvingPinning { pk: layout.into_key(params).map_err(made)?, metadata };
        Ok(Self(StaticVerifierProvingKey { circuit, pinning, shape, graph_program }))
    }

    /// Proves that a root holds. One that does not makes a proof that does not.
    pub(super) fn prove(self, params: &Halo2Params, root: &Proof<RootSC>) -> Result<Snark, BackendError> {
        let threads = available_parallelism().map_or(1, usize::from);
        let (advice, instances) = {
            let mut state = GraphExecutorState::new(&self.0.graph_program);
            self.0.generate_witness(root, threads, &mut state)
        };
        // The witness has what the program and the circuit are for.
        let StaticVerifierProvingKey { circuit, pinning, graph_program, .. } = self.0;
        drop((circuit, graph_program));
        let key = pinning.pk;
        let lengths = instances.iter().map(Vec::len).collect();
        let protocol = compile(params, key.get_vk(), Config::kzg().with_num_instance(lengths));
        let mut transcript =
            PoseidonTranscript::<NativeLoader, Vec<u8>>::from_spec(Vec::new(), POSEIDON_SPEC.clone());
        prove(params, &key, &instances, advice, &mut transcript)
            .map_err(|error| unmade("proving the static verifier", error))?;
        Ok(Snark::new(protocol, instances, transcript.finalize()))
    }
}

/// The wrapper's key.
pub(super) struct WrapperKey(Halo2WrapperProvingKey);

impl WrapperKey {
    /// Makes the key. `snark` is any proof by the static verifier.
    pub(super) fn make(params: &Halo2Params, snark: Snark) -> Result<Self, BackendError> {
        const DOING: &str = "making the wrapper's key";
        let mut circuit = wrapper(CircuitBuilderStage::Keygen, params, snark);
        circuit.calculate_params(Some(SPARE_ROWS));
        let config_params = circuit.builder.config_params.clone();
        if config_params.num_advice_per_phase != [1] {
            let columns = &config_params.num_advice_per_phase;
            return Err(failed(
                DOING,
                format!("it has not one column, which the contract is for, but {columns:?}"),
            ));
        }
        let num_pvs = circuit.num_instance();
        let made = |error| unmade(DOING, error);
        let layout = Layout::of(params.k(), &circuit).map_err(made)?;
        let metadata = Halo2ProvingMetadata { config_params, break_points: circuit.break_points(), num_pvs };
        drop(circuit);
        let pinning = Halo2ProvingPinning { pk: layout.into_key(params).map_err(made)?, metadata };
        Ok(Self(Halo2WrapperProvingKey { pinning }))
    }

    pub(super) fn pinning(&self) -> &Halo2ProvingPinning {
        &self.0.pinning
    }

    /// Proves that a proof by the static verifier holds.
    pub(super) fn prove(&self, params: &Halo2Params, snark: Snark) -> Result<RawEvmProof, BackendError> {
        const DOING: &str = "proving the wrapper";
        let Halo2ProvingPinning { pk, metadata } = &self.0.pinning;
        let columns = metadata
            .config_params
            .clone()
            .try_into()
            .map_err(|_| failed(DOING, "its key is of a strange shape"))?;
        let circuit = wrapper(CircuitBuilderStage::Prover, params, snark)
            .use_params(columns)
            .use_break_points(metadata.break_points.clone());
        let instances = circuit.instances();
        if instances.iter().map(Vec::len).ne(metadata.num_pvs.iter().copied()) {
            return Err(malformed("the static verifier's proof has other public values than its key is for"));
        }
        let made = |error| unmade(DOING, error);
        let advice = witness(params.k(), &circuit).map_err(made)?;
        drop(circuit);
        let mut transcript = EvmTranscript::<G1Affine, NativeLoader, Vec<u8>, Vec<u8>>::init(Vec::new());
        prove(params, pk, &instances, advice, &mut transcript).map_err(made)?;
        Ok(RawEvmProof { instances: instances.concat(), proof: transcript.finalize() })
    }
}

/// The circuit that verifies a proof by the static verifier.
fn wrapper(stage: CircuitBuilderStage, params: &Halo2Params, snark: Snark) -> AggregationCircuit {
    let columns = AggregationConfigParams {
        degree: params.k(),
        lookup_bits: params.k() as usize - 1,
        ..Default::default()
    };
    let mut circuit =
        AggregationCircuit::new::<SHPLONK>(stage, columns, params, [snark], VerifierUniversality::None);
    circuit.expose_previous_instances(false);
    circuit
}

impl Encode for VerifierKey {
    fn encode<W: Write>(&self, writer: &mut W) -> io::Result<()> {
        let StaticVerifierProvingKey { circuit, pinning, shape, graph_program } = &self.0;
        write_text(writer, &(circuit, shape))?;
        write_text(writer, graph_program)?;
        write_pinning(writer, pinning)
    }
}

impl Decode for VerifierKey {
    fn decode<R: Read>(reader: &mut R) -> io::Result<Self> {
        let (circuit, shape) = read_text(reader)?;
        let graph_program = read_text(reader)?;
        let pinning = read_pinning(reader)?;
        Ok(Self(StaticVerifierProvingKey { circuit, pinning, shape, graph_program }))
    }
}

impl Encode for WrapperKey {
    fn encode<W: Write>(&self, writer: &mut W) -> io::Result<()> {
        write_pinning(writer, &self.0.pinning)
    }
}

impl Decode for WrapperKey {
    fn decode<R: Read>(reader: &mut R) -> io::Result<Self> {
        Ok(Self(Halo2WrapperProvingKey { pinning: read_pinning(reader)? }))
    }
}

fn write_pinning(writer: &mut impl Write, pinning: &Halo2ProvingPinning) -> io::Result<()> {
    write_text(writer, &pinning.metadata)?;
    write_key(&pinning.pk, writer)
}

fn read_pinning(reader: &mut impl Read) -> io::Result<Halo2ProvingPinning> {
    let metadata: Halo2ProvingMetadata = read_text(reader)?;
    let columns: BaseCircuitParams = metadata.config_params.clone();
    let pk = read_key::<BaseCircuitBuilder<_>>(reader, columns).map_err(io::Error::other)?;
    Ok(Halo2ProvingPinning { pk, metadata })
}

/// Writes JSON, with its length before it.
fn write_text(writer: &mut impl Write, part: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(part)?;
    writer.write_all(&(text.len() as u64).to_le_bytes())?;
    writer.write_all(&text)
}

/// Reads what [`write_text`] has written.
fn read_text<T: DeserializeOwned>(reader: &mut impl Read) -> io::Result<T> {
    let mut len = [0; 8];
    reader.read_exact(&mut len)?;
    let len = u64::from_le_bytes(len);
    if len > LONGEST_TEXT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a part of it has {len} bytes")));
    }
    let mut text = Vec::new();
    reader.take(len).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::openvm::snark::setup;
    use halo2_base::{gates::RangeInstructions, halo2_proofs::halo2curves::bn256::Fr};
    use proofmill_srs::Srs;

    #[test]
    fn a_key_is_read_as_it_was_written_and_no_part_of_it_is_taken_for_one() {
        let mut builder =
            BaseCircuitBuilder::<Fr>::from_stage(CircuitBuilderStage::Keygen).use_k(6).use_lookup_bits(4);
        let range = builder.range_chip();
        let context = builder.main(0);
        let value = context.load_witness(Fr::from(7));
        range.range_check(context, value, 4);
        let config_params = builder.calculate_params(Some(SPARE_ROWS));
        let layout = Layout::of(6, &builder).unwrap();
        let pk = layout.into_key(&setup::params(Srs::develop(6))).unwrap();
        let metadata =
            Halo2ProvingMetadata { config_params, break_points: builder.break_points(), num_pvs: vec![1] };
        let pinning = Halo2ProvingPinning { pk, metadata };
        let written = |pinning: &Halo2ProvingPinning| {
            let mut bytes = Vec::new();
            write_pinning(&mut bytes, pinning).unwrap();
            bytes
        };
        let bytes = written(&pinning);
        let mut rest = bytes.as_slice();
        let read = read_pinning(&mut rest).unwrap();
        assert!(rest.is_empty() && written(&read) == bytes);
        assert_eq!(read.metadata.break_points, pinning.metadata.break_points);
        assert_eq!(read.pk.get_vk().transcript_repr(), pinning.pk.get_vk().transcript_repr());
        for len in (0..bytes.len()).step_by(53) {
            assert!(read_pinning(&mut &bytes[..len]).is_err(), "{len} bytes");
        }
        // A length that nobody has the memory for.
        let large = [&u64::MAX.to_le_bytes()[..], &bytes[8..]].concat();
        let error = read_pinning(&mut large.as_slice()).unwrap_err();
        assert!(error.to_string().contains("has 18446744073709551615 bytes"), "{error}");
    }
}
