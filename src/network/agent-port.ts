/** The agent's port in a guest: below 1024, so that no unprivileged program there can take it. */
export const agentGuestPort = 1022;
