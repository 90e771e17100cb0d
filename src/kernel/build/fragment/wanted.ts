/**
 * Taken where the version has them: newer kernels dropped, renamed or fixed some of these, and older ones have this compiler of
 * BPF only with modules. Linux 6.1, 6.12 and 7.3 have all the options of the other files.
 */
export const wantedOptions: string = `
CONFIG_PREEMPT_VOLUNTARY=y
CONFIG_RANDOM_TRUST_CPU=y
CONFIG_RANDOM_TRUST_BOOTLOADER=y
CONFIG_PROC_SYSCTL=y
CONFIG_CRYPTO_CRC32C_INTEL=y
CONFIG_NETFILTER_XTABLES_LEGACY=y
CONFIG_IP_NF_IPTABLES=y
CONFIG_IP_NF_FILTER=y
CONFIG_IP_NF_NAT=y
CONFIG_IP_NF_MANGLE=y
CONFIG_IP_NF_RAW=y
CONFIG_IP_NF_TARGET_REJECT=y
CONFIG_IP6_NF_IPTABLES=y
CONFIG_IP6_NF_FILTER=y
CONFIG_IP6_NF_NAT=y
CONFIG_IP6_NF_MANGLE=y
CONFIG_IP6_NF_RAW=y
CONFIG_IP6_NF_TARGET_REJECT=y
CONFIG_BPF_JIT=y
`;
