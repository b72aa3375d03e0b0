//! Folding proofs, and the last step: wrapping.

use super::{
    Stark,
    circuit::{Chain, Circuit, Stage},
    guard::guard,
    machine::Machine,
    part::{self, Level, Part},
    program::Program,
    provers::Provers,
    tree::{Below, Layer, RECURSIVE, stage},
};
use crate::{BackendError, Node};
use openvm_continuations::{
    circuit::inner::ProofsType,
    prover::{ChildVkKind, DeferralChildVkKind},
};
use openvm_sdk::{DefaultStarkEngine as Engine, SC};
use openvm_stark_backend::{StarkEngine, codec::Encode, keygen::types::MultiStarkVerifyingKey};
use openvm_verify_stark_host::VmStarkProof;
use std::sync::Arc;

const FOLDING: &str = "folding proofs";

/// Folds the children of a node.
pub(super) fn reduce(
    provers: &Provers,
    program: &Program,
    node: &Node,
    children: &[Vec<u8>],
) -> Result<Part, BackendError> {
    let layer = Layer::from_number(node.layer)
        .ok_or_else(|| malformed(format!("there is no layer {}", node.layer)))?;
    if children.len() != node.children.len() || !(1..=layer.arity()).contains(&children.len()) {
        return Err(malformed(format!(
            "a node of layer {} takes 1 to {} children; it names {} and was given {}",
            node.layer,
            layer.arity(),
            node.children.len(),
            children.len()
        )));
    }
    let parts = children
        .iter()
        .enumerate()
        .map(|(index, bytes)| Part::decode(bytes, index, &format!("child {index}")))
        .collect::<Result<Vec<_>, _>>()?;
    match layer {
        Layer::Segments { level } => fold_segments(provers, program, level, parts),
        Layer::Verifications { level, below } => fold_verifications(provers, level, below, parts),
        Layer::Hook => hook(provers, parts),
        Layer::Hooked { level } => fold_hooked(provers, level, parts),
        Layer::Join => join(provers, program, parts),
        Layer::Root | Layer::StaticVerifier(_) | Layer::Wrapper(_) => {
            Err(malformed("a step of the SNARK folds nothing".to_owned()))
        }
    }
}

fn fold_segments(
    provers: &Provers,
    program: &Program,
    level: u8,
    mut parts: Vec<Part>,
) -> Result<Part, BackendError> {
    part::check_sequence(&parts, &program.hash, |child| match level.checked_sub(1) {
        None => child == Level::Segment,
        Some(below) => child == Level::Layer(Layer::Segments { level: below }),
    })?;
    check_starks(provers, program.machine, &parts)?;
    let first = parts[0].first;
    let count = parts.iter().map(|part| part.count).sum();
    let ends = parts.last_mut().and_then(|part| part.ends.take());
    let chain = Chain::Segments(program.machine);
    let starks: Vec<Stark> = parts.into_iter().map(|part| part.stark).collect();
    let stark = fold(provers, chain, level, &starks, ProofsType::Vm)?;
    Ok(Part {
        program: program.hash,
        level: Level::Layer(Layer::Segments { level }),
        first,
        count,
        stark,
        ends,
        verifications: Vec::new(),
    })
}

/// Folds proofs with a circuit of a chain over a machine's segments or over the hook.
fn fold(
    provers: &Provers,
    chain: Chain,
    level: u8,
    starks: &[Stark],
    of: ProofsType,
) -> Result<Stark, BackendError> {
    let failed = |error| super::failed(FOLDING, error);
    match level {
        0 => {
            let prover = provers.leaf(chain)?;
            proving(|| prover.agg_prove::<Engine>(starks, ChildVkKind::App, of, None).map_err(failed))
        }
        1 => {
            let prover = provers.internal(chain)?;
            proving(|| prover.agg_prove::<Engine>(starks, ChildVkKind::Standard, of, None).map_err(failed))
        }
        _ => {
            let prover = provers.recursive(chain)?;
            let child = if level == RECURSIVE { ChildVkKind::Standard } else { ChildVkKind::RecursiveSelf };
            proving(|| prover.agg_prove::<Engine>(starks, child, of, None).map_err(failed))
        }
    }
}

fn fold_verifications(
    provers: &Provers,
    level: u8,
    below: Below,
    parts: Vec<Part>,
) -> Result<Part, BackendError> {
    check_verifications(&parts, |child| match (level.checked_sub(1), child) {
        (None, Level::Verification) => true,
        (Some(below), Level::Layer(Layer::Verifications { level, .. })) => level == below,
        _ => false,
    })?;
    check_starks(provers, Machine::Base, &parts)?;
    let kind = match level {
        0 => DeferralChildVkKind::DeferralCircuit,
        1 | RECURSIVE => DeferralChildVkKind::DeferralAggregation,
        _ => DeferralChildVkKind::RecursiveSelf,
    };
    // How high the children stand in the tree of hashes; one alone is passed through and is no tree.
    let height = match below {
        Below::One => None,
        Below::More => Some(usize::from(level)),
    };
    let mut verifications = Vec::new();
    let mut starks = Vec::new();
    for part in parts {
        verifications.extend(part.verifications);
        starks.push(part.stark);
    }
    let prover = provers.deferred(stage(level))?;
    let stark = proving(|| {
        prover.agg_prove::<Engine>(&starks, kind, height).map_err(|error| super::failed(FOLDING, error))
    })?;
    Ok(of_verifications(Layer::Verifications { level, below }, stark, verifications))
}

fn hook(provers: &Provers, parts: Vec<Part>) -> Result<Part, BackendError> {
    check_verifications(&parts, |child| {
        matches!(child, Level::Layer(Layer::Verifications { level: RECURSIVE.., .. }))
    })?;
    check_starks(provers, Machine::Base, &parts)?;
    let Part { stark, verifications, .. } = only(parts)?;
    let prover = provers.hook()?;
    let stark = proving(|| {
        prover
            .prove::<Engine>(stark, verifications)
            .map_err(|error| super::failed("tying verifications to the program's calls", error))
    })?;
    Ok(of_verifications(Layer::Hook, stark, Vec::new()))
}

fn fold_hooked(provers: &Provers, level: u8, parts: Vec<Part>) -> Result<Part, BackendError> {
    check_verifications(&parts, |child| match level.checked_sub(1) {
        None => child == Level::Layer(Layer::Hook),
        Some(below) => child == Level::Layer(Layer::Hooked { level: below }),
    })?;
    check_starks(provers, Machine::Base, &parts)?;
    let stark = fold(provers, Chain::Hook, level, &[only(parts)?.stark], ProofsType::Deferral)?;
    Ok(of_verifications(Layer::Hooked { level }, stark, Vec::new()))
}

/// Joins the roots of segments and of verifications.
fn join(provers: &Provers, program: &Program, parts: Vec<Part>) -> Result<Part, BackendError> {
    let [executed, hooked] = <[Part; 2]>::try_from(parts)
        .map_err(|parts| malformed(format!("two roots are joined, there are {}", parts.len())))?;
    let (executed, hooked) = ([executed], [hooked]);
    let Level::Layer(Layer::Segments { level: level @ RECURSIVE.. }) = executed[0].level else {
        let cause = format!("the first of what is joined is a {:?}", executed[0].level);
        return Err(BackendError::WrongPart { index: 0, cause });
    };
    let of_second = |error: BackendError| match error {
        BackendError::WrongPart { cause, .. } => BackendError::WrongPart { index: 1, cause },
        other => other,
    };
    part::check_sequence(&executed, &program.hash, |_| true)?;
    check_verifications(&hooked, |child| child == Level::Layer(Layer::Hooked { level }))
        .map_err(of_second)?;
    if program.machine != Machine::Aggregation {
        return Err(malformed("a program that verifies no proofs has nothing to join".to_owned()));
    }
    check_starks(provers, program.machine, &executed)?;
    check_starks(provers, program.machine, &hooked).map_err(of_second)?;
    let ([executed], [hooked]) = (executed, hooked);
    let Part { first, count, ends, .. } = executed;
    let starks = [executed.stark, hooked.stark];
    let prover = provers.recursive(Chain::Segments(program.machine))?;
    let stark = proving(|| {
        prover
            .agg_prove::<Engine>(&starks, ChildVkKind::RecursiveSelf, ProofsType::Mix, None)
            .map_err(|error| super::failed(FOLDING, error))
    })?;
    Ok(Part {
        program: program.hash,
        level: Level::Layer(Layer::Join),
        first,
        count,
        stark,
        ends,
        verifications: Vec::new(),
    })
}

/// Verifies each part by itself, in milliseconds, so that a wrong one is named and not found out by a prover that fails
/// minutes later.
fn check_starks(provers: &Provers, machine: Machine, parts: &[Part]) -> Result<(), BackendError> {
    for (index, part) in parts.iter().enumerate() {
        let wrong = |cause: String| BackendError::WrongPart {
            index,
            cause: format!("part {index} does not hold: {cause}"),
        };
        let vk = made_by(provers, machine, part.level)?;
        guard(wrong, || {
            Engine::new(vk.inner.params.clone())
                .verify(&vk, &part.stark)
                .map_err(|error| wrong(error.to_string()))
        })?;
    }
    Ok(())
}

/// The key of the circuit that makes parts of this level.
fn made_by(
    provers: &Provers,
    machine: Machine,
    level: Level,
) -> Result<Arc<MultiStarkVerifyingKey<SC>>, BackendError> {
    let circuit = match level {
        Level::Segment => return Ok(Arc::new(provers.app(machine)?.app_vm_pk.vm_pk.get_vk())),
        Level::Verification => Circuit::Verifier,
        Level::Layer(Layer::Segments { level }) => Circuit::Fold(Chain::Segments(machine), stage(level)),
        Level::Layer(Layer::Verifications { level, .. }) => Circuit::Fold(Chain::Verifications, stage(level)),
        Level::Layer(Layer::Hook) => Circuit::Hook,
        Level::Layer(Layer::Hooked { level }) => Circuit::Fold(Chain::Hook, stage(level)),
        Level::Layer(Layer::Join) => Circuit::Fold(Chain::Segments(machine), Stage::Recursive),
        Level::Layer(layer @ (Layer::Root | Layer::StaticVerifier(_) | Layer::Wrapper(_))) => {
            return Err(malformed(format!("a {layer:?} is not a part that is folded")));
        }
    };
    Ok(provers.keys.get(circuit)?.vk.clone())
}

/// Makes the proof of constant size from the root of the tree. `segments` is how many the plan has, where the plan is known.
pub(super) fn wrap(
    provers: &Provers,
    program: &Program,
    segments: Option<usize>,
    parts: &[Vec<u8>],
) -> Result<Vec<u8>, BackendError> {
    let [root] = parts else {
        return Err(malformed(format!(
            "a compressed proof is made from the root alone; there are {} parts",
            parts.len()
        )));
    };
    let root = [Part::decode(root, 0, "the root")?];
    let of = match (root[0].level, program.machine) {
        (Level::Layer(Layer::Segments { level: RECURSIVE.. }), Machine::Base) => ProofsType::Vm,
        (Level::Layer(Layer::Join), Machine::Aggregation) => ProofsType::Combined,
        (level, Machine::Base) => {
            return Err(malformed(format!("the root is a {level:?}; fold it up to layer {RECURSIVE}")));
        }
        (level, Machine::Aggregation) => {
            return Err(malformed(format!("the root is a {level:?}; fold it up and join it")));
        }
    };
    part::check_sequence(&root, &program.hash, |_| true)?;
    check_starks(provers, program.machine, &root)?;
    let [root] = root;
    if root.first != 0 || segments.is_some_and(|segments| segments != root.count as usize) {
        return Err(malformed(format!(
            "the root proves {} segments from {}, which are not those of the plan",
            root.count, root.first
        )));
    }
    let ends = root.ends.ok_or_else(missing_ends)?;
    let prover = provers.recursive(Chain::Segments(program.machine))?;
    let doing = "wrapping the proof";
    guard(
        |cause| super::failed(doing, cause),
        || {
            // One more layer over a single child makes the proof smaller, as OpenVM's own prover does.
            let inner = prover
                .agg_prove::<Engine>(&[root.stark], ChildVkKind::RecursiveSelf, of, None)
                .map_err(|error| super::failed(doing, error))?;
            let proof = VmStarkProof {
                inner,
                user_pvs_proof: ends.public_values,
                deferral_merkle_proofs: ends.calls,
            };
            proof.encode_to_vec().map_err(|error| super::failed("encoding the proof", error))
        },
    )
}

/// Bundles all segment proofs.
pub(super) fn bundle(program: &Program, segments: usize, parts: &[Vec<u8>]) -> Result<Vec<u8>, BackendError> {
    if parts.len() != segments || parts.is_empty() {
        return Err(malformed(format!(
            "a core proof is made from all {segments} segments; there are {} parts",
            parts.len()
        )));
    }
    let mut parts = parts
        .iter()
        .enumerate()
        .map(|(index, bytes)| Part::decode(bytes, index, &format!("segment {index}")))
        .collect::<Result<Vec<_>, _>>()?;
    part::check_sequence(&parts, &program.hash, |level| level == Level::Segment)?;
    if parts[0].first != 0 {
        return Err(malformed("the first segment is missing".to_owned()));
    }
    let ends = parts.last_mut().and_then(|part| part.ends.take()).ok_or_else(missing_ends)?;
    let starks: Vec<Stark> = parts.into_iter().map(|part| part.stark).collect();
    part::encode_core(&starks, &ends.public_values)
        .map_err(|error| super::failed("encoding the proof", error))
}

/// Checks that these parts prove verifications, and that `fits` says so of their level.
fn check_verifications(parts: &[Part], fits: impl Fn(Level) -> bool) -> Result<(), BackendError> {
    for (index, part) in parts.iter().enumerate() {
        if part.program != [0; 32] || !fits(part.level) {
            let cause = format!("part {index} is a {:?}, which does not belong here", part.level);
            return Err(BackendError::WrongPart { index, cause });
        }
    }
    Ok(())
}

fn of_verifications(layer: Layer, stark: Stark, verifications: Vec<part::InOut>) -> Part {
    Part {
        program: [0; 32],
        level: Level::Layer(layer),
        first: 0,
        count: 0,
        stark,
        ends: None,
        verifications,
    }
}

fn only(parts: Vec<Part>) -> Result<Part, BackendError> {
    let mut parts = parts.into_iter();
    parts.next().ok_or_else(|| malformed("there is nothing to fold".to_owned()))
}

fn proving<T>(work: impl FnOnce() -> Result<T, BackendError>) -> Result<T, BackendError> {
    guard(|cause| super::failed(FOLDING, cause), work)
}

fn malformed(cause: String) -> BackendError {
    BackendError::MalformedPart { cause }
}

fn missing_ends() -> BackendError {
    malformed("the last segment carries no public values".to_owned())
}
