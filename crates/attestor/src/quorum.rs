//! Asking several attestors.

use crate::AttestError;
use alloy_primitives::{Address, B256, Bytes, keccak256};
use futures::{StreamExt, stream::FuturesUnordered};
use proofmill_chain::{Attestation, AttestorSet, AttestorSignature, VerifierKind};
use proofmill_client::{StatedProof, Statement};
use proofmill_primitives::ProverType;
use proofmill_wire::attestor::{AttestRequest, attestor_service_client::AttestorServiceClient};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tonic::{Code, transport::Channel};

/// How long an attestor may take for a proof: the first one makes the keys it verifies with.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// While something is asked, a sign of life is wanted so often, and waited for so long: a machine that went without a word, or a network
/// that forgot the connection while one slept, is not waited for as long as for a proof.
const ALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(20));
/// Of how many statements the signatures are kept.
const KEPT: usize = 64;

/// For how long a refusal stands before the same attestor is asked about the same bytes again: it verifies a STARK each time.
const REFUSAL_STANDS: Duration = Duration::from_secs(60);

/// Attestors for one verifier contract.
#[derive(Clone, Debug)]
pub struct Quorum {
    attestors: Vec<(String, AttestorServiceClient<Channel>)>,
    l1_chain_id: u64,
    counted: AttestorSet,
    signed: Arc<Mutex<Signed>>,
    known: Arc<Mutex<Known>>,
}

/// What attestors said of themselves and of proofs, by where they are.
#[derive(Debug, Default)]
struct Known {
    /// The names of the prover types that one attests.
    provers: BTreeMap<String, Vec<String>>,
    /// When one refused a file, by the hash of its bytes, and why.
    refused: BTreeMap<(String, B256), (Instant, String)>,
}

/// Why an attestor did not sign.
#[derive(Debug)]
struct Unsigned {
    cause: String,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// It verified the proof, or read it, and finds it at fault.
    Refused,
    /// It does not attest proofs of the type.
    OtherTypes,
    /// It is away, or attests for another rollup, release or contract.
    Other,
}

impl Unsigned {
    const fn other(cause: String) -> Self {
        Self { cause, why: Why::Other }
    }
}

/// Signatures by what was signed and where they came from, the newest statements last. To sign, an attestor verifies a STARK,
/// and a signature stays good: nobody is asked twice, however often a proof is tried to be published.
#[derive(Debug, Default)]
struct Signed(VecDeque<(B256, BySource)>);

/// The attestor's address on the net, its account, its signature.
type BySource = BTreeMap<String, (Address, AttestorSignature)>;

impl Signed {
    fn of(&self, digest: B256) -> BySource {
        let there = self.0.iter().find(|(of, _)| *of == digest);
        there.map(|(_, signatures)| signatures.clone()).unwrap_or_default()
    }

    fn keep(&mut self, digest: B256, source: &str, signer: Address, signature: AttestorSignature) {
        let at = self.0.iter().position(|(of, _)| *of == digest);
        let (_, mut signatures) = at.and_then(|at| self.0.remove(at)).unwrap_or_default();
        signatures.insert(source.to_owned(), (signer, signature));
        self.0.push_back((digest, signatures));
        if self.0.len() > KEPT {
            self.0.pop_front();
        }
    }
}

/// What is to be said of attestors that signed by the key of another.
fn twice(signed: &BySource) -> Vec<String> {
    let mut signers = BTreeSet::new();
    let again = signed.iter().filter(|(_, (signer, _))| !signers.insert(*signer));
    again.map(|(address, (signer, _))| same_key(address, *signer)).collect()
}

fn same_key(address: &str, signer: Address) -> String {
    format!(
        "{address}: signed as {signer}, as another attestor does, and each counts once: give it a key of its own"
    )
}

impl Quorum {
    /// For each single verifier of a kind, in their order: the attestors at these addresses, or none where it counts no signatures.
    ///
    /// # Errors
    /// As of [`new`](Self::new).
    pub fn of_kind(
        addresses: &[String],
        l1_chain_id: u64,
        kind: &VerifierKind,
    ) -> Result<Vec<Option<Self>>, AttestError> {
        let of_single = |single: &VerifierKind| match single {
            VerifierKind::Attestors(counted) => Self::new(addresses, l1_chain_id, counted.clone()).map(Some),
            _ => Ok(None),
        };
        kind.single().map(of_single).collect()
    }

    /// Attestors at these addresses, for a contract that counts the signatures of `counted` on the L1 with this chain id.
    /// They are connected to when they are asked: one that is away now may be there later.
    ///
    /// # Errors
    /// An address is none, or there are fewer (each counted once) than the contract wants.
    pub fn new(addresses: &[String], l1_chain_id: u64, counted: AttestorSet) -> Result<Self, AttestError> {
        let attestors = BTreeSet::from_iter(addresses)
            .into_iter()
            .map(|address| {
                let client = AttestorServiceClient::new(channel(address, ALIVE)?);
                Ok((address.clone(), client))
            })
            .collect::<Result<Vec<_>, AttestError>>()?;
        let threshold = counted.threshold;
        if attestors.len() < threshold {
            return Err(AttestError::TooFewNamed { threshold, named: attestors.len() });
        }
        Ok(Self { attestors, l1_chain_id, counted, signed: Arc::default(), known: Arc::default() })
    }

    /// Has a proof verified by the attestors of its type, and returns the bytes that the contract takes. The first signatures
    /// that are enough are taken; those that there are already are not asked for again.
    ///
    /// # Errors
    /// [`AttestError::Refused`] where so many find the proof at fault that the others cannot be enough, and else
    /// [`AttestError::TooFew`]; both with what the others said.
    pub async fn attest<S: Statement>(&self, proof: &StatedProof<S>) -> Result<Bytes, AttestError> {
        let program = proof.proof.program;
        let attestation =
            Attestation::new(self.l1_chain_id, self.counted.verifier, program, &proof.statement.to_bytes());
        let digest = attestation.digest();
        let signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner).of(digest);
        let mut by_signer: BTreeMap<_, _> = signed.values().copied().collect();
        let mut causes = twice(&signed);
        // One key signs once, however many have it: the others of them can be no more.
        let mut unable = causes.len();
        if by_signer.len() >= self.counted.threshold {
            return Ok(self.enough(&attestation, by_signer));
        }
        let file = proof.encode();
        let (kind, hash) = (proof.proof.prover, keccak256(&file));
        let mut asked: FuturesUnordered<_> = self
            .attestors
            .iter()
            .filter(|(address, _)| !signed.contains_key(address))
            .map(|(address, client)| {
                let (mut client, file) = (client.clone(), &file);
                async move { (address, self.ask(address, &mut client, kind, file, hash).await) }
            })
            .collect();
        let mut refused = 0;
        while let Some((address, answer)) = asked.next().await {
            let signature = match answer {
                Ok(signature) => AttestorSignature::from_bytes(&signature),
                Err(Unsigned { cause, why }) => {
                    causes.push(format!("{address}: {cause}"));
                    refused += usize::from(why == Why::Refused);
                    unable += usize::from(why == Why::OtherTypes);
                    continue;
                }
            };
            match signature.and_then(|signature| Some((attestation.signer(&signature)?, signature))) {
                Some((signer, signature)) if self.counted.members.contains(&signer) => {
                    let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
                    signed.keep(digest, address, signer, signature);
                    if by_signer.insert(signer, signature).is_some() {
                        causes.push(same_key(address, signer));
                        unable += 1;
                    }
                }
                Some((signer, _)) => {
                    causes.push(format!(
                        "{address}: signed as {signer}, whom the contract does not count, or for another contract"
                    ));
                    continue;
                }
                None => {
                    causes.push(format!("{address}: its answer is not a signature"));
                    continue;
                }
            }
            if by_signer.len() >= self.counted.threshold {
                return Ok(self.enough(&attestation, by_signer));
            }
        }
        // In the order of addresses, not of answers: the same cause is to read the same.
        causes.sort_unstable();
        let (threshold, attestors, causes) =
            (self.counted.threshold, self.attestors.len(), causes.join("; "));
        if refused > 0 && attestors - unable - refused < threshold {
            return Err(AttestError::Refused { threshold, refused, attestors, causes });
        }
        Err(AttestError::TooFew { threshold, got: by_signer.len(), attestors, causes })
    }

    /// The signature of one attestor, if it attests the type and has not just refused these bytes.
    async fn ask(
        &self,
        address: &str,
        client: &mut AttestorServiceClient<Channel>,
        prover: ProverType,
        file: &[u8],
        hash: B256,
    ) -> Result<Vec<u8>, Unsigned> {
        let key = (address.to_owned(), hash);
        if let Some((at, cause)) = self.known().refused.get(&key)
            && at.elapsed() < REFUSAL_STANDS
        {
            return Err(Unsigned { cause: cause.clone(), why: Why::Refused });
        }
        self.check_type(address, client, prover).await?;
        let status = match client.attest(AttestRequest { proof: file.to_vec() }).await {
            Ok(answer) => return Ok(answer.into_inner().signature),
            Err(status) => status,
        };
        let cause = status.message().to_owned();
        let mut known = self.known();
        if status.code() != Code::InvalidArgument {
            // It may be another one when it is back.
            known.provers.remove(address);
            return Err(Unsigned::other(cause));
        }
        known.refused.retain(|_, (at, _)| at.elapsed() < REFUSAL_STANDS);
        known.refused.insert(key, (Instant::now(), cause.clone()));
        Err(Unsigned { cause, why: Why::Refused })
    }

    /// Whether an attestor attests proofs of this type, by what it says of itself.
    async fn check_type(
        &self,
        address: &str,
        client: &mut AttestorServiceClient<Channel>,
        prover: ProverType,
    ) -> Result<(), Unsigned> {
        let known = self.known().provers.get(address).cloned();
        let provers = match known {
            Some(provers) => provers,
            None => match client.describe(()).await {
                Ok(description) => {
                    let provers = description.into_inner().provers;
                    self.known().provers.insert(address.to_owned(), provers.clone());
                    provers
                }
                // It does not say; it will say no if it cannot.
                Err(status) if status.code() == Code::Unimplemented => return Ok(()),
                Err(status) => return Err(Unsigned::other(status.message().to_owned())),
            },
        };
        if provers.iter().any(|name| name == prover.name()) {
            return Ok(());
        }
        let cause = format!(
            "it attests proofs of {}, not of {prover}: run it with a binary that has that type",
            if provers.is_empty() { "no type".to_owned() } else { provers.join(", ") }
        );
        Err(Unsigned { cause, why: Why::OtherTypes })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As many as the contract wants: each one more costs gas.
    fn enough(&self, attestation: &Attestation, by_signer: BTreeMap<Address, AttestorSignature>) -> Bytes {
        let signatures: Vec<_> = by_signer.into_values().take(self.counted.threshold).collect();
        attestation.proof_bytes(&signatures)
    }
}

/// To an attestor, of which a sign of life is wanted that often, within that time.
fn channel(address: &str, (every, within): (Duration, Duration)) -> Result<Channel, AttestError> {
    let endpoint = proofmill_wire::endpoint(address)?
        .connect_timeout(CONNECT)
        .timeout(PATIENCE)
        .http2_keep_alive_interval(every)
        .keep_alive_timeout(within);
    Ok(endpoint.connect_lazy())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proofmill_chain::SigningKey;

    #[test]
    fn signatures_of_the_newest_statements_are_kept() {
        let key = SigningKey::try_from(B256::repeat_byte(1)).unwrap();
        let signature = |number: u64| {
            let program = proofmill_primitives::ProgramVersion(B256::ZERO);
            Attestation::new(number, Address::ZERO, program, &[]).sign(&key).unwrap()
        };
        let digest = |number: u64| B256::left_padding_from(&number.to_be_bytes());
        let mut signed = Signed::default();
        for number in 0..100 {
            signed.keep(digest(number), "a", key.address(), signature(number));
            // One that is still collected does not grow old.
            signed.keep(digest(7), &format!("b{number}"), key.address(), signature(7));
        }
        assert_eq!(signed.0.len(), KEPT);
        assert_eq!(signed.of(digest(99))["a"], (key.address(), signature(99)));
        assert_eq!(signed.of(digest(1)).len(), 0);
        assert_eq!(signed.of(digest(7)).len(), 101);
    }

    #[tokio::test]
    async fn an_attestor_of_which_nothing_is_heard_is_not_waited_for_as_for_a_proof() {
        // The system takes the connection, and nobody answers.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let moment = Duration::from_millis(50);
        let mut client = AttestorServiceClient::new(channel(&address, (moment, moment)).unwrap());
        let asked = tokio::time::timeout(PATIENCE / 2, client.describe(())).await;
        assert!(asked.is_ok_and(|answer| answer.is_err()), "it is waited for");
        drop(listener);
    }
}
