import { PurlinError } from '@purlin/base'

/** What all errors of one BMC name. */
export interface ErrorSubject {
  readonly name: string
  readonly address: string
}

type BmcCode = Extract<ConstructorParameters<typeof PurlinError>[0], `PUR_BMC_${string}`>

const ADVICE = {
  PUR_BMC_UNREACHABLE: 'see that it has power and that this network reaches it',
  PUR_BMC_NO_ANSWER: 'see the power state before the command is given again',
  PUR_BMC_TIMEOUT: 'try again, with a longer deadline if the BMC is slow',
  PUR_BMC_PASSWORD: 'correct the Secret of the chassis',
  PUR_BMC_CERTIFICATE: 'see whether the BMC was replaced, then pin its new certificate',
  PUR_BMC_REFUSED: 'see the rights of the user and the BMC’s own log',
  PUR_BMC_UNSUPPORTED: 'do without, or update the BMC’s firmware',
  PUR_BMC_BAD_ANSWER: 'try again; if it stays so, reset the BMC',
  PUR_BMC_BOOT_IGNORED: 'set it in the firmware, or let every start begin from the network',
  PUR_BMC_POWER_STUCK: 'look at the console, or cut the power',
  PUR_BMC_QUEUE_FULL: 'wait until those that are asked are answered',
} as const satisfies Record<BmcCode, string>

/** An error of a BMC: one sentence of what was tried, on what, what was found, what to do. */
export function bmcError(
  code: BmcCode,
  { name, address }: ErrorSubject,
  tried: string,
  found: string,
  cause?: unknown,
): PurlinError {
  return new PurlinError(code, {
    message: `${tried} of chassis ${name} (BMC ${address}): ${found}; ${ADVICE[code]}`,
    context: { chassis: name, address },
    ...(cause !== undefined && { cause }),
  })
}
