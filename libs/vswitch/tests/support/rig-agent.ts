/** The driver of one host of a fleet, as a process inside the host's network namespace. It takes
 *  one order a line on standard input and answers one line of JSON each:
 *  `rig-agent.ts DATABASE_SOCKET RUN_FOLDER`. */
import { createInterface } from 'node:readline'
import { createVswitchDriver, switchHealth, type VswitchDesired } from '../../src/index.ts'
import { datapath } from './datapath.ts'
import { readDesired } from './desired-text.ts'
import { factsNow, planNow, reconcileOnce } from './reconcile.ts'

const ROUNDS = 6
const ROUND_MS = 30_000
const [databaseSocket = '', runFolder = ''] = process.argv.slice(2)
let othersAnswer = false
const driver = createVswitchDriver({
  databaseSocket,
  runFolder,
  datapath,
  reachable: async () => othersAnswer,
})

/** Rounds until nothing is left to do; answers all that was done. */
async function settle(desired: VswitchDesired): Promise<readonly string[]> {
  const done: string[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const steps = await reconcileOnce(driver, desired)
    if (steps.length === 0) return done
    done.push(...steps.map(({ summary }) => summary))
  }
  throw new Error(`not settled: ${(await planNow(driver, desired)).join('; ')}`)
}

let watching: AbortController | undefined
let watched: VswitchDesired | undefined
let wanted = false
let running: Promise<void> = Promise.resolve()
const repaired: string[] = []

async function round(): Promise<void> {
  while (wanted && watched !== undefined) {
    wanted = false
    const steps = await reconcileOnce(driver, watched)
    repaired.push(...steps.map(({ summary }) => summary))
  }
}

function watch(desired: VswitchDesired): void {
  watched = desired
  watching = new AbortController()
  const wake = (): void => {
    if (!wanted) running = running.then(round, round)
    wanted = true
  }
  driver.watch(wake, watching.signal)
  wake()
}

async function carryOut(order: string, argument: string): Promise<unknown> {
  switch (order) {
    case 'settle':
      return await settle(readDesired(argument))
    case 'plan':
      return await planNow(driver, readDesired(argument))
    case 'confirm':
      return await driver.confirmUplinks(JSON.parse(argument))
    case 'reachable':
      othersAnswer = JSON.parse(argument)
      return true
    case 'count':
      return await driver.count()
    case 'facts':
      return await factsNow(driver)
    case 'health':
      return Object.fromEntries(switchHealth(await driver.observe(AbortSignal.timeout(ROUND_MS))))
    case 'watch':
      watch(readDesired(argument))
      return true
    case 'unwatch':
      watching?.abort()
      watched = undefined
      await running
      return repaired.splice(0)
    default:
      throw new Error(`no such order: ${order}`)
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const cut = line.indexOf(' ')
  const [order, argument] = cut < 0 ? [line, ''] : [line.slice(0, cut), line.slice(cut + 1)]
  const answer = await carryOut(order, argument).then(
    (result) => ({ result }),
    (thrown) => ({ error: thrown instanceof Error ? thrown.message : String(thrown) }),
  )
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
driver.close()
