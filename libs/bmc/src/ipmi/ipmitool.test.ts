import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import {
  createVirtualClock,
  PurlinError,
  type Run,
  type RunOutcome,
  systemClock,
} from '@purlin/base'
import test, { type ExecutionContext } from 'ava'
import { checkIpmiAccount } from './account.ts'
import { Ipmitool } from './ipmitool.ts'

const account = { address: '10.9.0.4', port: 623, username: 'purlin', password: 'pa ss$(id)' }
const signal = new AbortController().signal

type Answer = Partial<RunOutcome>

/** ipmitool for a BMC whose program answers so; `calls` are the arguments it was started with. */
async function toolFor(
  t: ExecutionContext,
  answer: (args: readonly string[], passwordFile: string) => Answer | Promise<Answer>,
  { clock = systemClock, leastGapMs = 0 } = {},
): Promise<{ tool: Ipmitool; calls: string[][]; folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'bmc-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const calls: string[][] = []
  const run: Run = async (program, args, options) => {
    t.is(program, 'ipmitool')
    t.false(JSON.stringify([args, options]).includes('pa ss'), 'the password is in no argument')
    calls.push([...args])
    const file = args[args.indexOf('-f') + 1] ?? ''
    return { stdout: '', stderr: '', exitCode: 0, ...(await answer(args, file)) }
  }
  const seams = { run, clock, leastGapMs }
  const tool = new Ipmitool({
    name: 'c1',
    account,
    folder,
    ...seams,
    commandTimeoutMs: 1_000,
    tries: 3,
  })
  return { tool, calls, folder }
}

const suiteOf = (args: readonly string[]): string => args[args.indexOf('-C') + 1] ?? ''
const failed = (stderr: string): Answer => ({ exitCode: 1, stderr })

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  const thrown: unknown = await attempt.catch((error: unknown) => error)
  return thrown instanceof PurlinError ? thrown.code : `no typed error: ${String(thrown)}`
}

test('the password is in a file of mode 0600 that goes with the command', async (t) => {
  let seen = ''
  const { tool, folder } = await toolFor(t, async (_, file) => {
    seen = file
    t.is(await readFile(file, 'utf8'), account.password)
    t.is((await stat(file)).mode & 0o777, 0o600)
    t.is((await stat(dirname(file))).mode & 0o777, 0o700)
    return {}
  })
  await tool.ask(['power', 'status'], { signal })
  t.true(seen.startsWith(folder))
  t.false(existsSync(seen))
  const { tool: failing, folder: second } = await toolFor(t, () => failed('x'))
  t.is(await codeOf(failing.ask(['x'], { signal })), 'PUR_BMC_REFUSED')
  t.deepEqual(await readdir(second), [])
})

test('suite 17 is tried before 3, and the one that was taken is remembered', async (t) => {
  const { tool, calls } = await toolFor(t, (args) =>
    suiteOf(args) === '17'
      ? failed('Error in open session response message : invalid authentication algorithm\n')
      : { stdout: 'Chassis Power is on\n' },
  )
  for (const _ of [1, 2])
    t.is(await tool.ask(['power', 'status'], { signal }), 'Chassis Power is on\n')
  t.deepEqual(calls.map(suiteOf), ['17', '3', '3'])
  t.deepEqual(calls[2]?.slice(0, 8), [
    '-I',
    'lanplus',
    '-H',
    '10.9.0.4',
    '-p',
    '623',
    '-U',
    'purlin',
  ])
  t.deepEqual(calls[2]?.slice(-6), ['-N', '1', '-R', '3', 'power', 'status'])
})

const NO_SESSION = 'Error: Unable to establish IPMI v2 / RMCP+ session\n'
const failures = {
  'a wrong password': [`> RAKP 2 HMAC is invalid\n${NO_SESSION}`, 'PUR_BMC_PASSWORD'],
  'an unknown user': [
    `RAKP 2 message indicates an error : unauthorized name\n${NO_SESSION}`,
    'PUR_BMC_PASSWORD',
  ],
  'a BMC that is down': [`Get Auth Capabilities error\n${NO_SESSION}`, 'PUR_BMC_UNREACHABLE'],
  'a command it does not know': [
    'Unable to send RAW command (netfn=0x6 cmd=0x99 rsp=0xc1): Invalid command\n',
    'PUR_BMC_UNSUPPORTED',
  ],
  'a fault of its own': ['Get Chassis Power Status failed: Unspecified error\n', 'PUR_BMC_REFUSED'],
  'silence within a session': ['Get Device ID command failed: timeout\n', 'PUR_BMC_NO_ANSWER'],
  'neither suite': ['no matching cipher suite\n', 'PUR_BMC_UNSUPPORTED'],
} as const
for (const [what, [stderr, code]] of Object.entries(failures)) {
  test(`${what} is ${code}`, async (t) => {
    // Without -v ipmitool does not say why there is no session.
    const { tool } = await toolFor(t, (args) =>
      failed(stderr.includes(NO_SESSION) && !args.includes('-v') ? NO_SESSION : stderr),
    )
    const asked = tool.ask(['power', 'status'], { signal })
    t.is(await codeOf(asked), code)
    await t.throwsAsync(asked, {
      message: /^power status of chassis c1 \(BMC 10\.9\.0\.4\): .+; .+$/,
    })
  })
}

test('what was printed of many units counts although one of them failed', async (t) => {
  const { tool } = await toolFor(t, () => ({ exitCode: 1, stdout: 'some\n', stderr: 'x' }))
  t.is(await tool.ask(['fru', 'print'], { signal, partial: true }), 'some\n')
  t.is(await codeOf(tool.ask(['fru', 'print'], { signal })), 'PUR_BMC_REFUSED')
})

test('an answer without end is refused', async (t) => {
  const { tool } = await toolFor(t, () => ({ stdout: 'x'.repeat(5 * 1024 * 1024) }))
  t.is(await codeOf(tool.ask(['sensor'], { signal })), 'PUR_BMC_BAD_ANSWER')
})

test('an account that IPMI cannot carry is refused, without its password', (t) => {
  const wrong = { address: '-x', port: 0, username: 'u'.repeat(17), password: 'secret\nsecret' }
  const error = t.throws(() => checkIpmiAccount('c1', wrong), { instanceOf: PurlinError })
  t.deepEqual(
    error?.problems.map(({ path }) => path),
    ['address', 'port', 'username', 'password'],
  )
  t.false(error?.message.includes('secret'))
  const longest = { ...account, address: 'fe80::1%eth0', password: 'é'.repeat(10) }
  t.notThrows(() => checkIpmiAccount('c1', longest))
  t.throws(() => checkIpmiAccount('c1', { ...account, password: 'é'.repeat(11) }))
})

test('between two runs of one call lies the least gap, counted from the end of the first', async (t) => {
  const clock = createVirtualClock()
  const begunMs: number[] = []
  const answer = async (args: readonly string[]): Promise<Answer> => {
    begunMs.push(clock.monotonicMs())
    await clock.sleep(700)
    return suiteOf(args) === '17'
      ? failed('Error in open session response message : invalid authentication algorithm\n')
      : {}
  }
  const { tool } = await toolFor(t, answer, { clock, leastGapMs: 5_000 })
  const asked = tool.ask(['power', 'status'], { signal })
  while (clock.sleepers() === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  await clock.advance(60_000)
  await asked
  t.deepEqual(begunMs, [0, 5_700])
})
