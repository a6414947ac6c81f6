"""Operations that draw random numbers from a state of their own, which no variable holds. Pure."""

STATEFUL = frozenset(
    {
        "Multinomial", "ParameterizedTruncatedNormal", "RandomGamma", "RandomPoisson", "RandomPoissonV2",
        "RandomShuffle", "RandomStandardNormal", "RandomUniform", "RandomUniformInt", "TruncatedNormal",
    }
)  # fmt: skip
