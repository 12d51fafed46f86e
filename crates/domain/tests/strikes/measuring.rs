//! Reports, and what is decided on them.

use super::*;

impl World {
    /// A report on a new version, with the evidence that the bundle has of it.
    pub(super) fn measure(&mut self, model: &str, right: usize, seed: u64) -> ReportEvidence {
        self.measure_bytes((model, &format!("{model} {right}")), right, seed)
    }

    /// The same on bytes that are named.
    pub(super) fn measure_bytes(
        &mut self,
        (model, bytes): (&str, &str),
        right: usize,
        seed: u64,
    ) -> ReportEvidence {
        let answers = "0".repeat(20) + &first_right(right, ITEMS - 20);
        let version = subject(bytes, &answers);
        let reference = subject("reference", &first_right(800, ITEMS));
        let measured: Measurement = measurement(version, Some(reference), 3, seed);
        let (suite, counts) = (suite(ITEMS as u64), label_counts(ITEMS as u64));
        let evaluator = format!("eval-{seed}");
        let context = ReportContext { model, evaluator: &evaluator, ..context(&suite, &counts) };
        let report = Report::derive(&measured, &context).unwrap();
        let digest = report.digest().unwrap();
        let at = self.at();
        if self.reports.iter().all(|known| known.report.model.digest != report.model.digest) {
            self.log(LeafRecord::Publish {
                at,
                model: name(model),
                version: name(&format!("v{right}")),
                checkpoint: report.model.digest,
                graph: report.model.graph,
            });
        }
        self.log(LeafRecord::Report {
            at,
            report: digest,
            checkpoint: report.model.digest,
            graph: report.model.graph,
            suite: report.suite.digest,
            samples: report.samples,
            evaluator: report.evaluator.clone(),
        });
        let key = EvaluatorKey::from_secret(&[seed as u8; 32]);
        // Those with an odd seed come with their samples.
        let blob = samples::to_blob(&measured).unwrap();
        let samples = (seed % 2 == 1).then(|| String::from_utf8(blob).unwrap());
        let attestation = Some(key.attest(digest, &name(&evaluator)));
        let evidence =
            ReportEvidence { attestation, report, samples, right: answers, influence: Vec::new() };
        self.reports.push(evidence.clone());
        evidence
    }

    pub(crate) fn breaker(&self) -> Breaker {
        Breaker {
            re_evaluation_ppb: self.rules.breaker_reevaluation_ppb as u64,
            new_version_ppb: self.rules.breaker_new_version_ppb as u64,
        }
    }

    /// A new version, measured by one, decided on, logged.
    pub(super) fn evaluate(&mut self, model: &str, right: usize, seed: u64) {
        let measured = self.measure(model, right, seed);
        let previous = self.prices.get(&name(model)).map(|(state, ..)| state);
        let decision = decide(previous, evidence(&measured), &self.breaker()).unwrap();
        self.decided(model, decision, None);
    }

    /// A new version, measured by three, who agree.
    pub(super) fn evaluate_round(&mut self, model: &str, right: usize, seeds: [u64; 3]) {
        let more = usize::from(self.twist == Twist::OtherCases);
        let rights = [right, right, right + more];
        let measured = [0, 1, 2].map(|seat: usize| self.measure(model, rights[seat], seeds[seat]));
        let votes = measured.each_ref().map(|evidence| Vote {
            evaluator: evidence.report.evaluator.clone(),
            price_micro: evidence.report.price_micro.unwrap(),
            weight: 0.25,
            sigma: evidence.report.sigma_ln_price.unwrap(),
            samples: evidence.report.samples,
        });
        let agreed = count(&votes, 0.25, quorum_of(3)).agreed.unwrap();
        let cases = measured[1].report.model.decisions;
        let same_cases = |other: &&ReportEvidence| other.report.model.decisions == cases;
        let others: Vec<Evidence<'_>> =
            [&measured[0], &measured[2]].into_iter().filter(same_cases).map(evidence).collect();
        assert_eq!(others.len(), 2 - more);
        let round = RoundEvidence { lead: evidence(&measured[1]), others: &others, agreed };
        let previous = self.prices.get(&name(model)).map(|(state, ..)| state);
        let decision = decide_round(previous, round, &self.breaker()).unwrap();
        let vote = |evidence: &ReportEvidence| RoundVote {
            report: evidence.report.digest().unwrap(),
            weight: 0.25,
        };
        let votes = measured.iter().map(vote).collect();
        self.decided(model, decision, Some(RoundVotes { wanted: 3, absent: 0.25, votes }));
    }

    pub(super) fn decided(
        &mut self,
        model: &str,
        decision: PriceDecision,
        round: Option<RoundVotes>,
    ) {
        let model = name(model);
        let mut steps = self.prices.remove(&model).map_or_else(Vec::new, |(_, steps, ..)| steps);
        let number = steps.len() as u64 + 1;
        let at = self.at();
        let mut leaf =
            AcceptedPrice::of(at, model.clone(), number, &decision, round.as_ref()).unwrap();
        let mut state = decision.state.unwrap();
        if self.twist == Twist::Accept && round.is_some() {
            state.price_micro += 1;
            leaf.price_micro = Some(state.price_micro);
        }
        let (report, est_micro) = (leaf.report, leaf.est_micro);
        let decision = self.log(LeafRecord::AcceptedPrice(leaf));
        steps.push(PriceStep { decision, round });
        let source = PriceSource { decision, report };
        self.prices.insert(model, (state, steps, source, est_micro));
    }
}
