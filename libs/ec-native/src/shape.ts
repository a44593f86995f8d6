/** How the parity is made: the matrices of ISA-L, `gf_gen_rs_matrix` and `gf_gen_cauchy1_matrix`,
 *  over GF(2^8) with polynomial 0x11d. The names are those of Ceph's `isa` plug-in. */
export type Technique = 'reed_sol_van' | 'cauchy'

export const techniques: readonly Technique[] = ['reed_sol_van', 'cauchy']

/** The shape of a stripe: both counts at least 1, together at most 256. */
export interface Shape {
  readonly dataShards: number
  readonly parityShards: number
}

/** A shape as people write it: `4+2`. Pure. */
export function shapeText({ dataShards, parityShards }: Shape): string {
  return `${dataShards}+${parityShards}`
}
