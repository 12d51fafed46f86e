//! The parameters of evaluation and pricing.

/// Every parameter of EVALUATION 5, with the value that all parties use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params {
    /// P0: credits of the reference, by definition.
    pub price_reference: f64,
    /// η: elasticity of price to excess odds.
    pub eta: f64,
    /// γ: elasticity of price to the cost index, compute's share of the cost of service.
    pub gamma: f64,
    /// Exponents of the cost index.
    pub alpha: CostWeights,
    /// t0 in milliseconds: what a request costs anyway; a suite may state another.
    pub overhead_ms: f64,
    /// Each cost ratio counts at least as 2 to this; dearer is never clamped.
    pub ratio_floor_log2: f64,
    /// κ0: pseudo-observations at the baseline.
    pub kappa0: f64,
    /// Accuracy counts at most as 1 − this/n.
    pub accuracy_cap_items: f64,
    /// Bits by which a task counts at most above the reference on it.
    pub q_lead_max: f64,
    /// Most quality, in bits.
    pub q_max: f64,
    /// Quality is 0 unless Q − this · se is above 0.
    pub z_chance: f64,
    /// Least quality of the references on a suite that prices, in bits.
    pub q_ref_min: f64,
    /// Most quality of the references on a suite that prices, in bits.
    pub q_ref_max: f64,
    /// Accuracy above which a suite is saturated.
    pub accuracy_saturated: f64,
    /// z of the band, in σ_Δ.
    pub z_band: f64,
    /// Least half-width of the band, in ln.
    pub band_floor: f64,
    /// Least σ of an epoch in a pooled estimate.
    pub sigma_floor: f64,
    /// Reports further than this many scales from the median are rejected.
    pub mad_k: f64,
    /// Least scale of reports around their median, in ln.
    pub mad_floor: f64,
    /// Reports of a quorum.
    pub quorum_n: u32,
    /// Share of all weight of a quorum.
    pub quorum_weight: f64,
    /// Age at which a price is measured again, in days.
    pub requeue_days: f64,
    /// Age at which a price is stale, in days.
    pub stale_days: f64,
    /// k of the CUSUM over standardised moves, in σ.
    pub cusum_k: f64,
    /// h of the CUSUM: the sum from which a drift is one, in σ.
    pub cusum_h: f64,
    /// τ: models more alike than this share fees.
    pub similarity_tau: f64,
    /// A derivative earns on what it is better by beyond this many σ.
    pub z_novelty: f64,
    /// Logits this alike are those of one model, in whatever guise.
    pub logits_same: f64,
    /// Logit residuals this alike go to a person.
    pub residual_review: f64,
    /// A second run confirms a tripped price within this many σ of the first (DESIGN, Price).
    pub z_confirm: f64,
    /// Most |mean ln| of the A/A control (EVALUATION 4, rule 2).
    pub control_ln_max: f64,
    /// Rounds from which the 99 % interval of the control must hold 0.
    pub control_interval_rounds: usize,
    /// Rounds end when the 95 % intervals of ln time and ln latency reach at most this far to either side (rule 2).
    pub half_width_max: f64,
    /// Rounds between two looks at that.
    pub rounds_between_looks: usize,
    /// Most distance of timed from scored outputs, in millionths (rule 12).
    pub timed_apart_ppm_max: u64,
    /// Places among which the right class counts for `top_k`.
    pub top_k: usize,
    /// Least time of one input again and again, in times of distinct ones (rule 12, as TEST04 of MLPerf).
    pub repeated_ratio_min: f64,
    /// Most difference between the clocks of model and reference on a GPU, as a share (rule 8).
    pub sm_clock_apart_max: f64,
}

/// Exponents of the cost index; their sum is 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CostWeights {
    /// Offline time for a sample; takes the weight of energy where energy is not measured.
    pub time: f64,
    /// Single-stream p90.
    pub latency: f64,
    /// Peak bytes.
    pub memory: f64,
    /// Joules for a sample.
    pub energy: f64,
}

/// The parameters in force.
pub const PARAMS: Params = Params {
    price_reference: 100.0,
    eta: 0.5,
    gamma: 0.35,
    alpha: CostWeights { time: 0.5, latency: 0.2, memory: 0.2, energy: 0.1 },
    overhead_ms: 1.0,
    ratio_floor_log2: -6.0,
    kappa0: 10.0,
    accuracy_cap_items: 3.0,
    q_lead_max: 2.0,
    q_max: 16.0,
    z_chance: 3.0,
    q_ref_min: 1.0,
    q_ref_max: 6.0,
    accuracy_saturated: 0.98,
    z_band: 1.0,
    band_floor: 0.005,
    sigma_floor: 1e-6,
    mad_k: 3.5,
    mad_floor: 0.01,
    quorum_n: 3,
    quorum_weight: 2.0 / 3.0,
    requeue_days: 5.0,
    stale_days: 7.0,
    cusum_k: 0.5,
    cusum_h: 5.0,
    similarity_tau: 0.5,
    z_novelty: 3.0,
    logits_same: 0.9995,
    residual_review: 0.98,
    z_confirm: 3.0,
    control_ln_max: 0.02,
    control_interval_rounds: 8,
    half_width_max: 0.02,
    rounds_between_looks: 8,
    timed_apart_ppm_max: 50_000,
    top_k: 5,
    repeated_ratio_min: 0.9,
    sm_clock_apart_max: 0.03,
};
