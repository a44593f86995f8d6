import { formatAddress } from '@purlin/base'
import test from 'ava'
import { Compiler } from '../src/compile/compiler.ts'
import { DECISION_BASE } from '../src/compile/form.ts'
import { type NetfilterSocket, openNetfilterSocket } from '../src/netlink/index.ts'
import type { NetfilterDesired } from '../src/policy/desired.ts'
import { Generator } from '../src/testing/generator.ts'
import { randomDesired } from '../src/testing/random-policy.ts'
import { sampleDesired, sampleGroup } from '../src/testing/sample.ts'
import type { Verification } from '../src/verify/verification.ts'
import { enforce, newDriver } from './support/enforce.ts'
import { host, NFT, nft } from './support/lab.ts'

const calm = new AbortController().signal
const seed = Number(process.env.PURLIN_SEED ?? 71)
const OWN_TABLES = ['inet purlin', 'bridge purlin']

test.after.always(async () => {
  for (const table of OWN_TABLES) await nft(`add table ${table}\ndelete table ${table}`)
})

const driverOf = (form: 'linear' | 'identity') => newDriver({ compiler: new Compiler({ form }) })

async function verified(desired: NetfilterDesired): Promise<Verification> {
  return await newDriver().verify(desired, calm)
}

interface Listed {
  readonly [kind: string]: {
    readonly chain?: string
    readonly handle?: number
    readonly comment?: string
    readonly name?: string
    readonly elem?: unknown
    readonly map?: string
  }
}

async function listed(table = 'inet'): Promise<readonly Listed[]> {
  const text = await host(NFT, '-j', 'list', 'table', table, 'purlin')
  const listing: { nftables: readonly Listed[] } = JSON.parse(text)
  return listing.nftables
}

/** Where the kernel has the first rule of this comment. */
async function ruleAt(comment: string): Promise<{ chain: string; handle: number }> {
  const found = (await listed()).find(({ rule }) => rule?.comment === comment)?.rule
  return { chain: found?.chain ?? '', handle: found?.handle ?? 0 }
}

for (const form of ['linear', 'identity'] as const) {
  test.serial(`what was loaded in the ${form} form is proved equal to the policy`, async (t) => {
    const random = new Generator(seed)
    const driver = driverOf(form)
    let spaces = 0
    for (let round = 0; round < 12; round++) {
      const desired = randomDesired(random)
      await enforce(driver, desired)
      const found = await verified(desired)
      t.deepEqual(found.findings, [], `seed ${seed}, round ${round}`)
      t.true(found.equal)
      spaces += found.spaces
    }
    t.log(`seed ${seed}: ${spaces} packet spaces of each family proved equal`)
  })
}

/** What the elements of a list say for these verdicts. */
const DROP = DECISION_BASE
const ACCEPT = DECISION_BASE + 1

/** Enforces the sample, changes one thing as somebody else would, and gives what is found. */
async function after(
  form: 'linear' | 'identity',
  change: () => Promise<void>,
): Promise<Verification> {
  await enforce(driverOf(form), sampleDesired)
  await change()
  return await verified(sampleDesired)
}

test.serial('a member taken out by hand is found, with a packet that is refused', async (t) => {
  const { equal, findings } = await after('linear', async () => {
    await nft('delete element inet purlin group-web-ipv4 { 10.9.0.13 }')
  })
  t.false(equal)
  const shown = findings.find(({ port }) => port === 'b.eth0')
  t.like(shown, { port: 'b.eth0', direction: 'inbound' })
  t.like(shown?.witness, { family: 'ipv4', meant: 'allow', meantBy: 'web/members', loaded: 'deny' })
  const source = shown?.witness?.packet.source ?? 0n
  t.is(formatAddress({ family: 'ipv4', value: source }), '10.9.0.13')
})

test.serial('one element of an identity list turned by hand is found', async (t) => {
  const { findings } = await after('identity', async () => {
    const maps = (await listed()).flatMap(({ map }) => (map === undefined ? [] : [map]))
    const turned = maps.flatMap(({ name, elem }) =>
      /^list-.*-ipv4-/.test(name ?? '') && JSON.stringify(elem ?? []).includes(String(ACCEPT))
        ? [name ?? '']
        : [],
    )
    const [name] = turned
    const text = await host(NFT, 'list', 'map', 'inet', 'purlin', name ?? '')
    const [, key] =
      /(?:\{|,)\s*([^{},:]+?)(?: counter[^:]*?)?(?: comment "[^"]*")? : 0x57000001/.exec(text) ?? []
    t.truthy(key, text)
    await nft(
      `delete element inet purlin ${name} { ${key} }\nadd element inet purlin ${name} { ${key} : ${DROP} }`,
    )
  })
  t.true(findings.length > 0)
  t.true(findings.every(({ witness }) => witness?.meant === 'allow' && witness.loaded === 'deny'))
})

test.serial('a deleted rule and an added one are found', async (t) => {
  const deleted = await after('linear', async () => {
    const { chain, handle } = await ruleAt('web/inbound/0')
    await nft(`delete rule inet purlin ${chain} handle ${handle}`)
  })
  t.true(deleted.findings.some(({ witness }) => witness?.meantBy === 'web/inbound/0'))
  const added = await after('linear', async () => {
    const { chain } = await ruleAt('web/inbound/0')
    await nft(`insert rule inet purlin ${chain} ip saddr 10.9.0.12 tcp dport 22 accept`)
  })
  const [shown] = added.findings
  t.like(shown?.witness, { meant: 'deny', loaded: 'allow' })
  t.like(shown?.witness?.packet, { protocol: 6, destinationPort: 22 })
})

test.serial('a rule that is none of ours by its kind is found', async (t) => {
  const { findings } = await after('linear', async () => {
    const { chain } = await ruleAt('web/inbound/0')
    await nft(`insert rule inet purlin ${chain} meta length 100 accept`)
  })
  t.true(findings.some(({ where, what }) => where.startsWith('rule ') && /none of ours/.test(what)))
})

const structural: readonly [string, string, RegExp][] = [
  ['a guard unhooked', 'delete element bridge purlin guard { "ptap-b" }', /guard ptap-b/],
  ['a mark taken away', 'delete element bridge purlin nic-mark { "pin-b" }', /nic-mark pin-b/],
  ['a dispatch taken away', 'delete element inet purlin dispatch { 0x5100000b }', /list of b/],
  ['a zone turned', 'delete element inet purlin zone { 0x5100000b }', /zone 1358954507/],
  ['an emptied base chain', 'flush chain inet purlin base-filter', /base-filter/],
  [
    'a hook of somebody else',
    'add chain inet purlin theirs { type filter hook forward priority -5; }',
    /inet\/theirs/,
  ],
]
for (const [name, change, where] of structural) {
  test.serial(`${name} is found`, async (t) => {
    const { equal, findings } = await after('linear', async () => await nft(change))
    t.false(equal)
    t.true(
      findings.some((one) => where.test(one.where)),
      JSON.stringify(findings.map((f) => f.where)),
    )
  })
}

test.serial(
  'between the transactions of a commit the kernel holds the policy before it or the one after it',
  async (t) => {
    const from = (group: string, port: string) => {
      const source = { groups: [group] }
      return { family: 'ipv4', protocol: 'tcp', ports: [port], source, action: 'allow' }
    }
    const inbound = [from('web', '80'), from('ops', '81')]
    const groups = new Map(sampleDesired.groups).set(
      'web',
      sampleGroup({ allowWithinGroup: false, inbound }),
    )
    const policy = (...ops: string[]): NetfilterDesired => {
      const members = ops.map((one) => ({ ipv4: [one], ipv6: [] }))
      return {
        ...sampleDesired,
        groups,
        members: new Map(sampleDesired.members).set('ops', members),
      }
    }
    // Whoever is in web joins ops: nobody was in both before.
    const [before, after] = [policy('10.8.0.1'), policy('10.8.0.1', '10.9.0.13')]
    const found: string[] = []
    let isWatched = false
    const openSocket = (): NetfilterSocket => {
      const socket = openNetfilterSocket()
      const commit: NetfilterSocket['commit'] = async (changes, options) => {
        const generation = await socket.commit(changes, options)
        if (isWatched) {
          if ((await verified(before)).equal) found.push('before')
          else found.push((await verified(after)).equal ? 'after' : 'neither')
        }
        return generation
      }
      return { ...socket, commit }
    }
    const driver = newDriver({ openSocket, compiler: new Compiler({ form: 'identity' }) })
    t.teardown(() => driver.close())
    await enforce(driver, before)
    isWatched = true
    await enforce(driver, after)
    // New lists, the turn to them, the new classes, and then the old lists are deleted.
    t.deepEqual(found, ['before', 'before', 'after', 'after'])
  },
)
