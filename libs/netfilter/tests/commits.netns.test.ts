import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import type { Difference } from '../src/apply/difference.ts'
import { Compiler } from '../src/compile/compiler.ts'
import type { NetfilterDriver } from '../src/driver.ts'
import { type Change, type NetfilterSocket, openNetfilterSocket } from '../src/netlink/index.ts'
import { nicStatus } from '../src/observe/status.ts'
import type { NetfilterDesired } from '../src/policy/desired.ts'
import type { SetElement } from '../src/target/statement.ts'
import { sampleDesired, sampleGroup } from '../src/testing/sample.ts'
import { countAround, counted } from './support/counters.ts'
import { enforce, newDriver, planned } from './support/enforce.ts'
import { eventually } from './support/eventually.ts'
import { host, type Lab, NFT, nft, startLab } from './support/lab.ts'
import { alternatePolicy } from './support/policies.ts'

const SWAPPER = fileURLToPath(new URL('./support/swap-for-ever.ts', import.meta.url))
const SWAPS = 1_000
const DELTAS = 1_000
/** Between them the replaced lists stay, and with them what the next swap may turn back to. */
const TIDY_EVERY = 3
const ALLOWED = 5353
const DENIED = 54
const B = '10.9.0.11'
const calm = new AbortController().signal
let lab: Lab
let folder: string
let restoreFile: string

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'purlin-netfilter-'))
  restoreFile = join(folder, 'restore.nft')
  await enforce(newDriver({ restoreFile }), sampleDesired)
  lab = await startLab(sampleDesired.nics)
  // Of the many flows of the flood only the last second's are kept.
  await host('sysctl', '-qw', 'net.netfilter.nf_conntrack_udp_timeout=1')
  await countAround('pbr-b', [ALLOWED, DENIED])
})

test.after.always(async () => {
  await lab.stop()
  await rm(folder, { recursive: true, force: true })
})

interface Wrong {
  readonly dropped: number
  readonly passed: number
  readonly packets: number
}

/** Wrong verdicts while `work` runs under new flows from c to b. */
async function underTraffic(work: () => Promise<void>): Promise<Wrong> {
  const c = lab.machine('c')
  const before = await counted()
  await c.flood(B, [ALLOWED, DENIED])
  try {
    await work()
  } finally {
    await c.stopFlood()
  }
  await sleep(300)
  const after = await counted()
  const delta = (port: number, side: 'before' | 'after'): number =>
    (after.get(port)?.[side] ?? 0) - (before.get(port)?.[side] ?? 0)
  return {
    dropped: delta(ALLOWED, 'before') - delta(ALLOWED, 'after'),
    passed: delta(DENIED, 'after'),
    packets: delta(ALLOWED, 'before') + delta(DENIED, 'before'),
  }
}

/** A driver that hears of changes, as the agent's does, until the test ends. */
function listening(
  t: ExecutionContext,
  form: 'measured' | 'linear' | 'identity' = 'measured',
): NetfilterDriver {
  const stop = new AbortController()
  t.teardown(() => stop.abort())
  const driver = newDriver({ compiler: new Compiler({ form }) })
  driver.watch(() => undefined, stop.signal)
  return driver
}

test.serial(`${SWAPS} swaps under traffic: no packet is decided wrongly`, async (t) => {
  t.timeout(240_000)
  const driver = listening(t)
  await enforce(driver, sampleDesired)
  const wrong = await underTraffic(async () => {
    for (let round = 0; round < SWAPS; round++) {
      const wanted = round % 2 === 0 ? alternatePolicy(sampleDesired, round) : sampleDesired
      await commitOnly(driver, wanted)
      if (round % TIDY_EVERY === 0) await enforce(driver, wanted)
    }
  })
  t.log(`${SWAPS} swaps, ${wrong.packets} packets of new flows`)
  t.true(wrong.packets > 1_000)
  t.like(wrong, { dropped: 0, passed: 0 })
  t.deepEqual(await planned(newDriver(), sampleDesired), [])
})

for (const form of ['linear', 'identity'] as const) {
  const title = `${DELTAS / 2} members that join and leave, ${form} form, under traffic: no packet is decided wrongly`
  test.serial(title, async (t) => {
    t.timeout(240_000)
    const driver = listening(t, form)
    const members = (joined: number | undefined): NetfilterDesired => {
      const others = joined === undefined ? [] : [{ ipv4: [`10.8.0.${joined % 250}`], ipv6: [] }]
      const web = [...(sampleDesired.members.get('web') ?? []), ...others]
      return { ...sampleDesired, members: new Map(sampleDesired.members).set('web', web) }
    }
    await enforce(driver, members(undefined))
    let elements = 0
    const wrong = await underTraffic(async () => {
      for (let round = 0; round < DELTAS / 2; round++) {
        const wanted = members(round % 2 === 0 ? round : undefined)
        const { aside, flip, remove } = await commitOnly(driver, wanted)
        t.is(aside.length + remove.length, 0)
        elements += flip.flatMap(elementsOf).length
      }
    })
    t.is(elements, DELTAS / 2)
    t.log(`${elements} elements, ${wrong.packets} packets of new flows`)
    t.true(wrong.packets > 1_000)
    t.like(wrong, { dropped: 0, passed: 0 })
    await enforce(newDriver({ restoreFile }), sampleDesired)
  })
}

/** Brings the rules about, and lets the connections be that they refuse. */
async function commitOnly(driver: NetfilterDriver, wanted: NetfilterDesired): Promise<Difference> {
  const step = driver.plan(wanted, await driver.observe(calm)).find((one) => one.verb === 'commit')
  if (step?.verb !== 'commit') throw new Error('no commit planned')
  await driver.execute(step, calm)
  return step.difference
}

function elementsOf(change: Change): readonly SetElement[] {
  return 'elements' in change ? change.elements : []
}

test.serial('loading the file for the next boot over itself lets nothing through', async (t) => {
  const wrong = await underTraffic(async () => {
    for (let round = 0; round < 50; round++) await host(NFT, '-f', restoreFile)
  })
  t.true(wrong.packets > 100)
  // One transaction that empties and fills maps may drop a packet; the agent never loads so.
  t.is(wrong.passed, 0)
  t.deepEqual(await planned(newDriver({ restoreFile }), sampleDesired), [])
})

test.serial('the file gives an empty kernel the same rule set', async (t) => {
  await nft('delete table inet purlin\ndelete table bridge purlin')
  await host(NFT, '-f', restoreFile)
  t.deepEqual(await planned(newDriver({ restoreFile }), sampleDesired), [])
  t.true(await eventually(() => lab.machine('c').tcp(B, 80)))
  t.false(await lab.machine('c').tcp(B, 22))
})

for (const survived of [0, 1, 2]) {
  test.serial(`a commit that dies after ${survived} transactions leaves no NIC open`, async (t) => {
    let transactions = 0
    const openSocket = (): NetfilterSocket => {
      const socket = openNetfilterSocket()
      return {
        ...socket,
        commit: async (changes, options) => {
          if (transactions++ >= survived) throw new Error('killed here')
          return await socket.commit(changes, options)
        },
      }
    }
    const wanted = alternatePolicy(sampleDesired, 1_000 + survived)
    const wrong = await underTraffic(async () => {
      await t.throwsAsync(enforce(newDriver({ restoreFile, openSocket }), wanted), {
        message: /killed here/,
      })
      const next = newDriver({ restoreFile })
      for (const { port } of sampleDesired.nics) {
        t.deepEqual(nicStatus(await next.observe(calm), port), { state: 'enforced' })
      }
      t.not((await planned(next, wanted)).length, 0)
      await enforce(next, wanted)
      t.deepEqual(await planned(next, wanted), [])
    })
    t.like(wrong, { dropped: 0, passed: 0 })
  })
}

test.serial(
  'kill -9 at any moment of a commit leaves no NIC open, and the next driver finishes',
  async (t) => {
    const wrong = await underTraffic(async () => {
      for (let round = 0; round < 6; round++) {
        const child = spawn(
          process.execPath,
          ['--conditions=purlin-source', SWAPPER, restoreFile],
          { stdio: ['ignore', 'pipe', 'ignore'] },
        )
        const exited = new Promise((resolve) => child.once('exit', resolve))
        await new Promise((resolve) => child.stdout.once('data', resolve))
        await sleep(17 * round)
        child.kill('SIGKILL')
        await exited
      }
    })
    t.like(wrong, { dropped: 0, passed: 0 })
    const driver = newDriver({ restoreFile })
    await enforce(driver, sampleDesired)
    t.deepEqual(await planned(driver, sampleDesired), [])
  },
)

/** Where the kernel has the first rule of this comment. */
async function listedRule(comment: string): Promise<{ chain: string; handle: number }> {
  const listing: { nftables: { rule?: { chain: string; handle: number; comment?: string } }[] } =
    JSON.parse(await host(NFT, '-j', 'list', 'table', 'inet', 'purlin'))
  const found = listing.nftables.find(({ rule }) => rule?.comment === comment)?.rule
  if (found === undefined) throw new Error(`no rule ${comment}`)
  return found
}

const foreignChanges: readonly [string, () => Promise<void>][] = [
  [
    'a member taken out of a group',
    async () => await nft(`delete element inet purlin group-web-ipv4 { ${B} }`),
  ],
  ['a guard unhooked', async () => await nft('delete element bridge purlin guard { "ptap-b" }')],
  [
    'an accept at the head of a list',
    async () => {
      const { chain } = await listedRule('web/inbound/0')
      await nft(`insert rule inet purlin ${chain} accept`)
    },
  ],
  [
    'the verdict of one rule turned, its comment kept',
    async () => {
      const { chain, handle } = await listedRule('ops/inbound/2')
      await nft(
        `replace rule inet purlin ${chain} handle ${handle} tcp dport 3000-4000 counter accept comment "ops/inbound/2"`,
      )
    },
  ],
  ['the filter chain emptied', async () => await nft('flush chain inet purlin base-filter')],
  ['a table deleted', async () => await nft('delete table bridge purlin')],
]

test.serial('a change by somebody else is noticed within a second and repaired', async (t) => {
  const stop = new AbortController()
  t.teardown(() => stop.abort())
  const driver = newDriver({ restoreFile })
  await enforce(driver, sampleDesired)
  let wake: () => void = () => undefined
  driver.watch(() => wake(), stop.signal)
  await sleep(1_000)
  for (const [name, change] of foreignChanges) {
    const noticed = new Promise<boolean>((resolve) => {
      wake = () => resolve(true)
      setTimeout(resolve, 1_000, false)
    })
    await change()
    t.true(await noticed, name)
    t.not((await enforce(driver, sampleDesired)).length, 0, name)
    t.deepEqual(await planned(driver, sampleDesired), [], name)
    t.false(await lab.machine('c').tcp(B, 3500), name)
  }
  const own = new Promise<boolean>((resolve) => {
    wake = () => resolve(true)
    setTimeout(resolve, 800, false)
  })
  await enforce(driver, alternatePolicy(sampleDesired, 7))
  t.false(await own, 'our own commit is no drift')
  await enforce(driver, sampleDesired)
})

test.serial('an edit inside a rule while no driver runs is found at the next start', async (t) => {
  const [, , , turned] = foreignChanges
  await turned?.[1]()
  const driver = newDriver({ restoreFile })
  const observed = await driver.observe(calm)
  const states = ['a.eth0', 'b.eth0'].map((port) => nicStatus(observed, port).state)
  t.deepEqual(states.toSorted(), ['enforced', 'notEnforced'])
  t.regex((await enforce(driver, sampleDesired)).join(), /change the rules of [ab]\.eth0 /)
  t.deepEqual(await planned(driver, sampleDesired), [])
})

test.serial(
  'a rule set that the kernel refuses leaves the former in force and names the NICs',
  async (t) => {
    const openSocket = (): NetfilterSocket => {
      const socket = openNetfilterSocket()
      const chain = 'no-such-chain'
      const wrong = { id: 'wrong', statements: [] }
      return {
        ...socket,
        commit: async (changes, options) =>
          await socket.commit(
            [...changes, { change: 'add-rule', table: 'inet', chain, rule: wrong }],
            options,
          ),
      }
    }
    const driver = newDriver({ restoreFile, openSocket })
    await enforce(newDriver({ restoreFile }), sampleDesired)
    const before = await host(NFT, '-s', 'list', 'table', 'inet', 'purlin')
    const error = await t.throwsAsync(enforce(driver, alternatePolicy(sampleDesired, 9)))
    t.like(error, {
      code: 'PUR_NFT_REFUSED',
      context: { notEnforced: ['b.eth0', 'd.eth0'] },
    })
    t.is(await host(NFT, '-s', 'list', 'table', 'inet', 'purlin'), before)
  },
)

test.serial(
  'after a restart nothing is tidied up: classes and views are known from the file',
  async (t) => {
    const identity = () => new Compiler({ form: 'identity' })
    const names = (group: string) =>
      sampleGroup({
        inbound: [
          { family: 'ipv4', protocol: 'tcp', source: { groups: [group] }, action: 'allow' },
        ],
      })
    const desired = (group: string, ops: readonly string[]): NetfilterDesired => ({
      ...sampleDesired,
      groups: new Map(sampleDesired.groups).set('web', names(group)),
      members: new Map(sampleDesired.members).set(
        'ops',
        ops.map((one) => ({ ipv4: [one], ipv6: [] })),
      ),
    })
    const driver = newDriver({ restoreFile, compiler: identity() })
    // A combination of groups comes and goes, and then lists name other groups.
    await enforce(driver, desired('ops', ['10.9.0.77']))
    await enforce(driver, desired('ops', ['10.9.0.11', '10.9.0.77']))
    await enforce(driver, desired('ops', ['10.9.0.77']))
    const last = desired('web', ['10.9.0.77'])
    await enforce(driver, last)
    t.deepEqual(await planned(newDriver({ restoreFile, compiler: identity() }), last), [])
    const [tidying] = await planned(newDriver({ compiler: identity() }), last)
    t.regex(tidying ?? '', /^delete 0 chains and [1-9]\d* sets left over/)
    await enforce(newDriver({ restoreFile }), sampleDesired)
  },
)

test.serial('other tables are never touched', async (t) => {
  await nft(
    'add table ip docker\nadd chain ip docker user\nadd rule ip docker user tcp dport 1 drop',
  )
  const before = await host(NFT, '-a', 'list', 'table', 'ip', 'docker')
  const driver = newDriver()
  await enforce(driver, alternatePolicy(sampleDesired, 11))
  await enforce(driver, { ...sampleDesired, nics: [] })
  t.is(await host(NFT, '-a', 'list', 'table', 'ip', 'docker'), before)
  await enforce(driver, sampleDesired)
  t.regex(await readFile(restoreFile, 'utf8'), /^#!\/usr\/sbin\/nft -f\n/)
})

test.serial('a table of our name without our mark is refused and left alone', async (t) => {
  await nft('delete table inet purlin\nadd table inet purlin\nadd chain inet purlin theirs')
  const error = await t.throwsAsync(enforce(newDriver(), sampleDesired))
  t.like(error, { code: 'PUR_NFT_REFUSED', context: { table: 'inet purlin' } })
  t.regex(await host(NFT, 'list', 'table', 'inet', 'purlin'), /chain theirs/)
  await nft('delete table inet purlin')
  await enforce(newDriver(), sampleDesired)
  t.false(await lab.machine('c').tcp(B, 22))
})
