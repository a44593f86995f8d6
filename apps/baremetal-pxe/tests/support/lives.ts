import { type ChassisState, chassisStates } from '@purlin/schema'
import type { Command, CommandWork } from '../../src/life/command.ts'
import type { CommandOutcome, LifeEvent, LifeRequest } from '../../src/life/event.ts'
import { nodeSteps } from '../../src/life/event.ts'
import {
  type BootPurpose,
  deployingStates,
  type Life,
  type LifeGrant,
  newLife,
  type Prepared,
} from '../../src/life/life.ts'

export const NOW_MS = 1_700_000_000_000
export const MAC = '52:54:00:88:00:07'
export const UUID = 'deadbeef-0000-4000-8000-525400880007'

export const request = { instance: 'db-1', uid: 'uid-1', generation: 1 } as const
export const other = { instance: 'web-1', uid: 'uid-2', generation: 1 } as const

export const preparedInstall: Prepared = {
  path: 'install',
  target: 'debian-13',
  medium: 'debian-13',
  kernel: '/media/debian-13/linux',
  initrds: ['/media/debian-13/initrd.gz'],
  tree: '/media/debian-13',
  answer: 'preseed.cfg',
  hostname: 'db-1',
  files: ['preseed.cfg', 'post.sh'],
  disks: ['virtio-disk0'],
  addresses: ['10.88.0.50'],
  reportId: 1,
  digest: 'd'.repeat(64),
}
export const preparedImage: Prepared = {
  path: 'image',
  image: 'debian',
  files: ['post.sh'],
  disks: ['virtio-disk0'],
  addresses: ['10.88.0.50'],
  reportId: 1,
  digest: 'd'.repeat(64),
}

export function grantOf(purpose: BootPurpose, token = 'a'): LifeGrant {
  return {
    tokenSha256: token.repeat(64),
    purpose,
    addresses: ['10.88.0.107'],
    steps: [...nodeSteps],
    issuedAtMs: NOW_MS,
    expiresAtMs: NOW_MS + 3_600_000,
    served: [],
  }
}

const PURPOSES: Partial<Readonly<Record<ChassisState, BootPurpose>>> = {
  discovering: 'discover',
  erasing: 'erase',
  rescuing: 'rescue',
  rescue: 'rescue',
}

/** How far a boot is: before power-on, powered, asked, or proved. */
export const phases = ['ordered', 'powered', 'contacted', 'trusted'] as const

/** A life as it may stand in a state, by the road that leads there. */
export function lifeIn(
  state: ChassisState,
  phase: (typeof phases)[number] = 'trusted',
  path: 'install' | 'image' = 'install',
): Life {
  const begun = newLife({ name: 'c1', uid: 'c1-uid', bootMac: MAC, firmware: 'bios' }, NOW_MS)
  if (state === 'enrolled') return begun
  const verified: Life = { ...begun, state, nextCommandId: 10, power: 'off' }
  const passing = { ...verified, deadlineAtMs: NOW_MS + 60_000 }
  const pendingOf = (...works: readonly CommandWork[]): readonly Command[] =>
    works.map((work, index) => ({ id: index + 1, work, tries: 0 }))
  if (state === 'verifying') return { ...passing, pending: pendingOf({ do: 'identify' }) }
  const identity = { uuids: [UUID], serials: ['C7'] }
  if (state === 'manageable') return { ...verified, identity }
  const reached = phases.indexOf(phase)
  const bootOf = (purpose: BootPurpose): Partial<Life> => ({
    boot: {
      purpose,
      attempt: 1,
      lasting: false,
      served: reached >= 2 ? 1 : 0,
      trusted: reached >= (purpose === 'install' ? 2 : 3),
      working: false,
      ...(reached >= 1 && { poweredAtMs: NOW_MS }),
      ...(reached >= 2 && { contactAtMs: NOW_MS }),
    },
    ...(reached >= 2 && { grant: grantOf(purpose) }),
    ...(reached === 0 && { pending: pendingOf({ do: 'stop' }, { do: 'start', lasting: false }) }),
  })
  const own = PURPOSES[state]
  if (state === 'discovering' && own !== undefined) return { ...passing, identity, ...bootOf(own) }
  const known = { identity, reportId: 1, proven: true }
  if (state === 'available') return { ...verified, ...known }
  if (state === 'erasing') {
    return { ...passing, ...known, ...bootOf('erase'), erasure: 'quick', eraseOwed: true }
  }
  if (state === 'rescuing' || state === 'rescue') {
    const base = state === 'rescue' ? verified : passing
    return { ...base, ...known, ...bootOf('rescue'), before: { state: 'available' } }
  }
  const touched = deployingStates.indexOf(state as 'booting') >= 3 || state === 'active'
  const prepared = path === 'install' ? preparedInstall : preparedImage
  const deployed = { ...known, asked: request, deployment: { ...request, touched, prepared } }
  if (state === 'active') return { ...verified, ...deployed, power: 'on' }
  if (state === 'failed') {
    const failure = {
      step: 'partitioning',
      cause: 'it failed',
      code: 'PUR_LIFE_SILENT',
      retriable: true,
      atMs: NOW_MS,
      consoleTail: '',
      eventLog: [],
    } as const
    return { ...verified, ...deployed, failure }
  }
  if (state === 'preparing') {
    const deployment = { ...request, touched: false }
    return { ...passing, ...deployed, deployment, pending: pendingOf({ do: 'prepare' }) }
  }
  if (state === 'cancelling' || state === 'leaving') {
    const before = state === 'leaving' ? { before: { state: 'active' } as const } : {}
    const work: CommandWork = state === 'leaving' ? { do: 'start-from-disk' } : { do: 'settle' }
    return { ...passing, ...deployed, ...before, pending: pendingOf(work) }
  }
  return { ...passing, ...deployed, power: 'on', ...bootOf(path) }
}

/** Every life of the tests with a name. */
export function everyLife(): readonly (readonly [name: string, life: Life])[] {
  const booted: readonly ChassisState[] = ['discovering', 'booting', 'erasing', 'rescuing']
  return chassisStates.flatMap((state): readonly (readonly [string, Life])[] => {
    if (booted.includes(state)) {
      return phases.flatMap((phase) =>
        (state === 'booting' ? (['install', 'image'] as const) : (['install'] as const)).map(
          (path) =>
            [
              `${state} (${phase}${state === 'booting' ? `, ${path}` : ''})`,
              lifeIn(state, phase, path),
            ] as const,
        ),
      )
    }
    return [[state, lifeIn(state)] as const]
  })
}

const requests: readonly LifeRequest[] = [
  { ask: 'verify' },
  { ask: 'discover' },
  { ask: 'deploy', ...request },
  { ask: 'deploy', ...other },
  { ask: 'release', erasure: 'quick' },
  { ask: 'release', erasure: 'full', uid: request.uid },
  { ask: 'release', erasure: 'quick', uid: other.uid },
  { ask: 'rescue', sshKeys: ['ssh-ed25519 AAAA ops'] },
  { ask: 'cancel' },
  { ask: 'retry' },
  { ask: 'power', action: 'cycle' },
  { ask: 'maintenance', on: true, reason: 'a fan' },
]

const identity = { uuids: [UUID], serials: ['C7'] }
const stranger = { uuids: ['00000000-0000-4000-8000-000000000001'], serials: ['X1'] }
export const outcomes: readonly CommandOutcome[] = [
  { did: 'identify', identity, power: 'on' },
  { did: 'identify', identity, power: 'off' },
  { did: 'prepare', prepared: preparedInstall, identity },
  { did: 'prepare', prepared: preparedImage, identity },
  { did: 'prepare', prepared: preparedImage, identity: stranger },
  { did: 'prepare-refused', code: 'PUR_LIFE_UNFIT', cause: 'no disk fits' },
  { did: 'stop' },
  { did: 'start', lasting: false },
  { did: 'start', lasting: true },
  { did: 'set-disk' },
  { did: 'clear-boot-device' },
  { did: 'settle' },
  { did: 'start-from-disk' },
  { did: 'diagnose', power: 'on', powerAfter: 'off', eventLog: [], consoleTail: 'panic' },
  { did: 'power', power: 'on' },
  {
    did: 'nothing',
    command: 'stop',
    code: 'PUR_BMC_NO_ANSWER',
    cause: 'no answer',
    passing: true,
  },
  {
    did: 'nothing',
    command: 'stop',
    code: 'PUR_BMC_PASSWORD',
    cause: 'the password is wrong',
    passing: false,
  },
]

/** The outcomes that a command may have. */
export function outcomesOf(work: CommandWork): readonly CommandOutcome[] {
  return outcomes.filter(
    ({ did }) =>
      did === work.do || did === 'nothing' || (did === 'prepare-refused' && work.do === 'prepare'),
  )
}

const words = 'it tells UUID a; its BMC UUID b'

/** Every kind of event, with the variants that are told apart. */
export function everyEvent(life: Life): readonly (readonly [name: string, event: LifeEvent])[] {
  const [command] = life.pending
  const purpose = life.boot?.purpose ?? 'discover'
  return [
    ...requests.map(
      (one) =>
        [
          `asked ${Object.values(one).slice(0, 3).join(' ')}`,
          { type: 'asked', request: one } as LifeEvent,
        ] as const,
    ),
    ...(command === undefined ? [] : outcomesOf(command.work)).map(
      (outcome, index) =>
        [
          `${command?.work.do}: ${outcome.did} ${index}`,
          { type: 'carried-out', id: command?.id ?? 0, outcome } as LifeEvent,
        ] as const,
    ),
    [
      'a result of a state that is over',
      { type: 'carried-out', id: 999, outcome: { did: 'stop' } },
    ],
    ...(['same', 'other', 'unknown'] as const).map(
      (machine) =>
        [
          `contact of ${machine}`,
          { type: 'contact', grant: grantOf(purpose, 'b'), machine, words } as LifeEvent,
        ] as const,
    ),
    ...(['same', 'other', 'unknown'] as const).map(
      (same) =>
        [
          `report of ${same}`,
          {
            type: 'reported',
            reportId: 2,
            judgement: { identity: same, bootMacSeen: true, words },
          } as LifeEvent,
        ] as const,
    ),
    [
      'report without the enrolled MAC',
      { type: 'reported', reportId: 2, judgement: { identity: 'same', bootMacSeen: false, words } },
    ],
    ...nodeSteps.map(
      (step) => [`told ${step}`, { type: 'told', step, message: 'disk b' } as LifeEvent] as const,
    ),
    ['spent', { type: 'spent', tokenSha256: 'a'.repeat(64), file: 'preseed.cfg' }],
    ['time', { type: 'time' }],
    ['amended', { type: 'amended', bootMac: '52:54:00:88:00:09', firmware: 'uefi' }],
    ['power seen on', { type: 'power-seen', power: 'on' }],
    ['power seen off', { type: 'power-seen', power: 'off' }],
  ]
}
