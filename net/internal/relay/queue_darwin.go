package relay

// inputQueue is FIONREAD of sys/filio.h: what other systems call SIOCINQ.
const inputQueue = 0x4004667f
