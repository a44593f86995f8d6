import type { VswitchDesired } from '../../src/index.ts'

/** A desired state as one line of text; flows hold numbers that JSON does not. */
export function writeDesired(desired: VswitchDesired): string {
  return JSON.stringify(desired, (_key, value: unknown) =>
    typeof value === 'bigint' ? { bigint: value.toString() } : value,
  )
}

export function readDesired(text: string): VswitchDesired {
  return JSON.parse(text, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && 'bigint' in value
      ? BigInt(String(value.bigint))
      : value,
  )
}
