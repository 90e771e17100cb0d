/** Of a block's addresses: .0 the network, .1 the way out, .2 the resolver, .3 the guest, .7 broadcast. */
export const offsets = { gateway: 1, resolver: 2, guest: 3 } as const;
export const blockPrefix = 29;
