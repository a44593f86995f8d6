import { optionalCommands } from '../command.ts'
import type { Deadlines } from '../deadlines.ts'
import type { DeployingState, Life } from '../life.ts'
import { isProven } from '../words/proof.ts'
import { ATTEMPTS_MAX } from '../words/time.ts'
import {
  atRest,
  type Circumstances,
  type Effect,
  networkStart,
  onlyCommands,
  withCommands,
  without,
} from './change.ts'

/** The installed system may tell again that it runs, where our answer was lost. */
const LAST_WORD_MS = 600_000

const started: Effect = (life, { event, nowMs, deadlines }) => {
  if (life.boot === undefined) return life
  const outcome = event.type === 'carried-out' ? event.outcome : undefined
  const lasting = outcome?.did === 'start' ? outcome.lasting : life.boot.lasting
  const heard = life.boot.contactAtMs !== undefined
  const next: Life = {
    ...life,
    boot: { ...life.boot, lasting, poweredAtMs: nowMs },
    power: 'on',
    deadlineAtMs: heard ? (life.deadlineAtMs ?? nowMs) : nowMs + deadlines.firstContactMs,
  }
  return heard && lasting ? withCommands(next, { do: 'clear-boot-device' }) : next
}

/** The node asked what to boot and is given a token. A device that is set for good has served. */
const contact: Effect = (life, { event, nowMs, deadlines }) => {
  if (event.type !== 'contact') return life
  const { grant, machine } = event
  if (life.boot === undefined || life.state === 'rescue') return { ...life, grant }
  const { purpose, served, lasting } = life.boot
  // An installer tells nothing of the machine: what its loader read, and that its BMC is the one
  // that was discovered, must do.
  const trusted = purpose === 'install' && machine !== 'other'
  const boot = { ...life.boot, contactAtMs: nowMs, served: served + 1, trusted, working: false }
  const waitMs = purpose === 'install' ? deadlines.installerMs : deadlines.discoveryMs
  const next: Life = { ...life, boot, grant, deadlineAtMs: nowMs + waitMs }
  const clears = lasting && !life.pending.some(({ work }) => work.do === 'clear-boot-device')
  return clears && boot.poweredAtMs !== undefined
    ? withCommands(next, { do: 'clear-boot-device' })
    : next
}

const again: Effect = (life, circumstances) => {
  if (life.boot === undefined) return life
  const attempt = life.boot.attempt + 1
  return networkStart(life, life.boot.purpose, attempt, attempt === ATTEMPTS_MAX, circumstances)
}

const report: Effect = (life, { event, nowMs, deadlines }) => {
  if (event.type !== 'reported') return life
  const { judgement, reportId } = event
  const proven = isProven(life, judgement)
  const known: Life = {
    ...without(life, 'provenByMac'),
    ...{ reportId, proven },
    ...(proven && judgement.identity !== 'same' && { provenByMac: true }),
  }
  if (life.boot === undefined || life.state === 'rescue') return known
  const first = !life.boot.trusted
  const discovering = life.boot.purpose === 'discover'
  const boot = { ...life.boot, trusted: true, working: discovering || life.boot.working }
  if (!first) return { ...known, boot }
  const waitMs = discovering ? deadlines.lingerMs : deadlines.discoveryMs
  return { ...known, boot, deadlineAtMs: nowMs + waitMs }
}

/** What may be pending of the start is over once the node works; conveniences go on. */
function startIsOver(life: Life): Life {
  return { ...life, pending: life.pending.filter(({ work }) => optionalCommands.has(work.do)) }
}

function stepMs(step: DeployingState, { boot }: Life, deadlines: Deadlines): number {
  const byInstaller = step === 'partitioning' && boot?.purpose === 'install'
  return byInstaller ? deadlines.installerWritingMs : deadlines.stepMs
}

const reach =
  (step: DeployingState): Effect =>
  (life, { nowMs, deadlines }) => {
    const over = startIsOver(life)
    const { boot, deployment } = over
    const touched = step !== 'installing' || deployment?.touched === true
    return {
      ...over,
      ...(boot !== undefined && { boot: { ...boot, working: true } }),
      ...(deployment !== undefined && { deployment: { ...deployment, touched } }),
      deadlineAtMs: nowMs + stepMs(step, over, deadlines),
    }
  }

/** The next start is the installed system's, whatever the BMC was told before. */
const installed: Effect = (life, circumstances) => {
  const { nowMs, deadlines } = circumstances
  const next = withCommands(reach('rebooting')(life, circumstances), { do: 'set-disk' })
  return { ...next, deadlineAtMs: nowMs + deadlines.firstBootMs }
}

const running: Effect = (life, { nowMs }) => {
  const { grant, pending } = startIsOver(life)
  const rest = atRest(without(life, 'failure'))
  const { deployment } = life
  return {
    ...rest,
    pending,
    power: 'on',
    ...(deployment !== undefined && { deployment: { ...deployment, touched: true } }),
    ...(grant !== undefined && {
      grant: { ...grant, steps: ['running'], expiresAtMs: nowMs + LAST_WORD_MS },
    }),
    ...(life.boot !== undefined && { boot: life.boot }),
  }
}

/** The same step again renews no deadline: a node could hold a life for ever. An erasure tells how
 *  far it is; it may go on as long as it does, up to the time that the largest disks take. */
const progress: Effect = (life, { nowMs, deadlines }) => {
  if (life.state !== 'erasing' || life.boot === undefined) return life
  const silentMs = nowMs + deadlines.quickEraseMs
  return {
    ...startIsOver(life),
    boot: { ...life.boot, working: true },
    deadlineAtMs: Math.min(silentMs, life.sinceMs + deadlines.fullEraseMs),
  }
}

/** The work of the discovery system is done; the node goes off. */
const settle: Effect = (life, circumstances) => {
  const { nowMs, deadlines } = circumstances
  const erased = life.state === 'erasing'
  const done = erased ? without(life, 'grant', 'deployment', 'eraseOwed') : without(life, 'grant')
  return {
    ...onlyCommands(done, { do: 'settle' }),
    deadlineAtMs: nowMs + deadlines.commandsMs,
  }
}

const rescued: Effect = (life) => startIsOver(without(life, 'deadlineAtMs'))

const spend: Effect = (life, { event }) => {
  if (event.type !== 'spent' || life.grant === undefined) return life
  return { ...life, grant: { ...life.grant, served: [...life.grant.served, event.file] } }
}

/** Effects of what nodes do, and of their silence. */
export const nodeEffects = {
  started,
  contact,
  again,
  report,
  installing: reach('installing'),
  partitioning: reach('partitioning'),
  writing: reach('writing'),
  bootloader: reach('bootloader'),
  configuring: reach('configuring'),
  installed,
  running,
  progress,
  settle,
  rescued,
  spend,
}

/** What a report changes where it also ends the discovery. */
export function withReport(life: Life, circumstances: Circumstances): Life {
  return report(life, circumstances)
}
