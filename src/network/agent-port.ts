/** The agent's port in a guest: below 1024, so that no unprivileged program there can take it. */
export const agentGuestPort = 1022;

/** The agent's port on vsock for the hypervisor itself: what it publishes where the network forwards no ports, and stops. */
export const publishGuestPort = 1023;
