/* The variants of the kernels that the processor can run. */

__attribute__((visibility("default"))) int embrec_supports_baseline(void) { return 1; }

#if defined(__x86_64__)

__attribute__((visibility("default"))) int embrec_supports_avx2(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") != 0;
}

__attribute__((visibility("default"))) int embrec_supports_avx512(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

#endif
