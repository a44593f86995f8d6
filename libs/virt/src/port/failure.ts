import { type ErrorCode, PurlinError } from '@purlin/base'

/** An error of the addon: `code` says whose it is, the numbers are libvirt's. */
export interface AddonFailure {
  readonly code: string
  readonly message: string
  /** virErrorNumber */
  readonly libvirtCode: number
  /** virErrorDomain */
  readonly libvirtDomain: number
}

/** virErrorNumber of libvirt (libvirt/virterror.h) to our codes. */
const BY_NUMBER: Readonly<Record<number, ErrorCode>> = {
  5: 'PUR_VIRT_UNREACHABLE', // VIR_ERR_NO_CONNECT
  6: 'PUR_VIRT_UNREACHABLE', // VIR_ERR_INVALID_CONN
  28: 'PUR_VIRT_DOMAIN_EXISTS', // VIR_ERR_DOM_EXIST
  29: 'PUR_VIRT_REFUSED', // VIR_ERR_OPERATION_DENIED
  42: 'PUR_VIRT_NO_DOMAIN', // VIR_ERR_NO_DOMAIN
  45: 'PUR_VIRT_UNREACHABLE', // VIR_ERR_AUTH_FAILED
  55: 'PUR_VIRT_REFUSED', // VIR_ERR_OPERATION_INVALID
  68: 'PUR_VIRT_TIMEOUT', // VIR_ERR_OPERATION_TIMEOUT
  86: 'PUR_VIRT_AGENT_UNRESPONSIVE', // VIR_ERR_AGENT_UNRESPONSIVE
  87: 'PUR_VIRT_REFUSED', // VIR_ERR_RESOURCE_BUSY
  88: 'PUR_VIRT_REFUSED', // VIR_ERR_ACCESS_DENIED
  97: 'PUR_VIRT_AGENT_UNRESPONSIVE', // VIR_ERR_AGENT_UNSYNCED
  112: 'PUR_VIRT_AGENT_UNRESPONSIVE', // VIR_ERR_AGENT_COMMAND_TIMEOUT
}

/** Codes of the addon itself, where libvirt was not asked. */
const BY_ADDON_CODE: Readonly<Record<string, ErrorCode>> = {
  VIR_TIMEOUT: 'PUR_VIRT_TIMEOUT',
  VIR_CLOSED: 'PUR_VIRT_UNREACHABLE',
  VIR_BUSY: 'PUR_VIRT_UNREACHABLE',
}

/** VIR_FROM_RPC: what the client's own end of the connection found, such as a broken socket. */
const FROM_RPC = 7
/** libvirt answers a name or id that is taken with VIR_ERR_OPERATION_FAILED and such a sentence. */
const TAKEN = /already (exists|defined|active) /

const ADVICE: Partial<Readonly<Record<ErrorCode, string>>> = {
  PUR_VIRT_UNREACHABLE: 'see that libvirtd runs and that its socket is right',
  PUR_VIRT_TIMEOUT: 'see what libvirtd waits for; the call may still take effect',
  PUR_VIRT_AGENT_UNRESPONSIVE: 'see that qemu-guest-agent runs in the guest',
}

/** Our code for a failure of the addon. */
export function codeOfFailure(failure: AddonFailure): ErrorCode {
  if (failure.code !== 'VIR_ERROR') return BY_ADDON_CODE[failure.code] ?? 'PUR_VIRT_FAILED'
  const named = BY_NUMBER[failure.libvirtCode]
  if (named !== undefined) return named
  if (failure.libvirtDomain === FROM_RPC) return 'PUR_VIRT_UNREACHABLE'
  return TAKEN.test(failure.message) ? 'PUR_VIRT_DOMAIN_EXISTS' : 'PUR_VIRT_FAILED'
}

/** The PurlinError for whatever a call of the addon threw; `tried` says what was tried, on what. */
export function errorOfFailure(thrown: unknown, tried: string): PurlinError {
  if (thrown instanceof PurlinError) return thrown
  const failure = readFailure(thrown)
  const code = codeOfFailure(failure)
  const advice = ADVICE[code]
  return new PurlinError(code, {
    message: `${tried}: ${failure.message}${advice === undefined ? '' : `; ${advice}`}`,
    context: { libvirtCode: failure.libvirtCode, libvirtDomain: failure.libvirtDomain },
    cause: thrown,
  })
}

function readFailure(thrown: unknown): AddonFailure {
  const { code, libvirtCode, libvirtDomain } = Object(thrown) as Partial<AddonFailure>
  return {
    code: typeof code === 'string' ? code : 'VIR_FAULT',
    message: thrown instanceof Error ? thrown.message : String(thrown),
    libvirtCode: libvirtCode ?? 0,
    libvirtDomain: libvirtDomain ?? 0,
  }
}
