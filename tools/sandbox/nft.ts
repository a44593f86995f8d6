/** The nft program by its path: a library of node_modules brings another program of the same
 *  name. */
export const NFT = '/usr/sbin/nft'
