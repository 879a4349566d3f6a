"""The rating model: Bayesian matrix factorization by Gibbs sampling."""
