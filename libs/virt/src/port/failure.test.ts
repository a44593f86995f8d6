import test from 'ava'
import { type AddonFailure, codeOfFailure, errorOfFailure } from './failure.ts'

const failure = (change: Partial<AddonFailure>): AddonFailure => ({
  code: 'VIR_ERROR',
  message: 'told by libvirt',
  libvirtCode: 1,
  libvirtDomain: 10,
  ...change,
})

for (const [what, change, code] of [
  ['a deadline', { code: 'VIR_TIMEOUT', libvirtCode: 0 }, 'PUR_VIRT_TIMEOUT'],
  ['a closed connection', { code: 'VIR_CLOSED', libvirtCode: 0 }, 'PUR_VIRT_UNREACHABLE'],
  ['a full queue', { code: 'VIR_BUSY', libvirtCode: 0 }, 'PUR_VIRT_UNREACHABLE'],
  ['a fault of the addon', { code: 'VIR_FAULT', libvirtCode: 0 }, 'PUR_VIRT_FAILED'],
  ['no socket', { libvirtCode: 38, libvirtDomain: 7 }, 'PUR_VIRT_UNREACHABLE'],
  ['unanswered keep-alive', { libvirtCode: 1, libvirtDomain: 7 }, 'PUR_VIRT_UNREACHABLE'],
  ['no connection', { libvirtCode: 5 }, 'PUR_VIRT_UNREACHABLE'],
  ['a connection that is gone', { libvirtCode: 6 }, 'PUR_VIRT_UNREACHABLE'],
  ['failed authentication', { libvirtCode: 45 }, 'PUR_VIRT_UNREACHABLE'],
  ['no such domain', { libvirtCode: 42 }, 'PUR_VIRT_NO_DOMAIN'],
  ['an id that is taken', { libvirtCode: 28 }, 'PUR_VIRT_DOMAIN_EXISTS'],
  [
    'a name that is taken',
    { libvirtCode: 9, message: "operation failed: domain 'a' already exists with uuid b" },
    'PUR_VIRT_DOMAIN_EXISTS',
  ],
  ['another failed operation', { libvirtCode: 9 }, 'PUR_VIRT_FAILED'],
  ['a read-only connection', { libvirtCode: 29 }, 'PUR_VIRT_REFUSED'],
  ['a domain that is off', { libvirtCode: 55 }, 'PUR_VIRT_REFUSED'],
  ['a lock that is held', { libvirtCode: 68 }, 'PUR_VIRT_TIMEOUT'],
  ['a resource in use', { libvirtCode: 87 }, 'PUR_VIRT_REFUSED'],
  ['denied access', { libvirtCode: 88 }, 'PUR_VIRT_REFUSED'],
  ['a silent agent', { libvirtCode: 86 }, 'PUR_VIRT_AGENT_UNRESPONSIVE'],
  ['an agent out of step', { libvirtCode: 97 }, 'PUR_VIRT_AGENT_UNRESPONSIVE'],
  ['an agent that is late', { libvirtCode: 112 }, 'PUR_VIRT_AGENT_UNRESPONSIVE'],
  ['a broken definition', { libvirtCode: 27 }, 'PUR_VIRT_FAILED'],
] as const) {
  test(`${what} is ${code}`, (t) => {
    t.is(codeOfFailure(failure(change)), code)
  })
}

test('the error says what was tried, what libvirt said and what to do', (t) => {
  const thrown = Object.assign(new Error('Failed to connect socket to /x'), {
    code: 'VIR_ERROR',
    libvirtCode: 38,
    libvirtDomain: 7,
  })
  const error = errorOfFailure(thrown, 'starting domain web-1')
  t.is(
    error.message,
    'starting domain web-1: Failed to connect socket to /x; see that libvirtd runs and that its socket is right',
  )
  t.deepEqual(error.context, { libvirtCode: 38, libvirtDomain: 7 })
  t.is(errorOfFailure(error, 'again'), error)
})

test('anything else thrown is a failure too', (t) => {
  t.is(errorOfFailure('a text', 'asking').code, 'PUR_VIRT_FAILED')
  t.is(errorOfFailure(undefined, 'asking').message, 'asking: undefined')
})
