import { type Clock, createVirtualClock, PurlinError, systemClock } from '@purlin/base'
import test from 'ava'
import type { Change, NetfilterSocket, ReadTable, RulesetChange } from '../netlink/index.ts'
import type { TableFamily } from '../target/names.ts'
import { Kernel } from './kernel.ts'

const calm = new AbortController().signal
const addTable: readonly Change[] = [{ change: 'add-table', table: 'inet' }]
/** So large that one does not want to hear of each part. */
const addMuch: readonly Change[] = Array.from({ length: 100 }, (_, at) => {
  return { change: 'add-chain', chain: { table: 'inet', name: `c${at}` } }
})

/** A kernel whose rules somebody else changes between two of our calls. */
class Scene {
  generation = 7
  tables = new Map<TableFamily, ReadTable>()
  reads = 0
  commits = 0
  refusals = 0
  tell: (change: RulesetChange) => void = () => undefined

  kernel(clock: Clock = systemClock): Kernel {
    const refused = async (): Promise<never> => {
      throw new Error('not asked for here')
    }
    const socket: NetfilterSocket = {
      generation: async () => this.generation,
      commit: async (_, { onto } = {}) => {
        if (onto !== this.generation) {
          this.refusals++
          throw new PurlinError('PUR_NFT_CONCURRENT', { message: 'somebody was faster' })
        }
        this.commits++
        return ++this.generation
      },
      readTables: async () => {
        this.reads++
        return { generation: this.generation, tables: this.tables }
      },
      watchRules: (onChange) => {
        this.tell = onChange
        return () => undefined
      },
      readElements: refused,
      findElements: refused,
      readChains: refused,
      readCounters: refused,
      listConnections: refused,
      deleteConnections: refused,
      watchLogs: refused,
      watchTraces: () => () => undefined,
      close: () => undefined,
    }
    return new Kernel(socket, clock)
  }
}

function change(own: boolean, generation = 8): RulesetChange {
  const tables = new Set<TableFamily>(['inet'])
  const objects = ['rule inet/x']
  return { tables, objects, own, processId: 0, processName: '', generation, lost: false }
}

/** Of tables that are none of ours. */
function othersChange(generation: number): RulesetChange {
  return { ...change(false, generation), tables: new Set(), objects: [] }
}

function table(owned: boolean): ReadTable {
  const empty = { chains: new Map(), sets: new Map(), handles: new Map(), foreign: [] }
  return { table: 'inet', owned, ...empty }
}

test('as long as none but our own changes are heard, nothing is read again', async (t) => {
  const scene = new Scene()
  const kernel = scene.kernel()
  const foreign: string[] = []
  kernel.listen(() => foreign.push('heard'), calm)
  const first = await kernel.look(calm)
  await kernel.commit(addTable, calm)
  scene.tell(change(true))
  t.is(await kernel.look(calm), first)
  t.is(scene.reads, 1)
  scene.tell(change(false))
  t.deepEqual(foreign, ['heard'])
  await kernel.look(calm)
  t.is(scene.reads, 2)
})

test('where notifications were lost they are asked for anew, and meanwhile each look reads', async (t) => {
  const scene = new Scene()
  const clock = createVirtualClock()
  const kernel = scene.kernel(clock)
  kernel.listen(() => undefined, calm)
  await kernel.look(calm)
  const { tell } = scene
  tell({ ...change(true), lost: true })
  await kernel.look(calm)
  await kernel.look(calm)
  t.is(scene.reads, 3)
  await clock.advance(100)
  t.not(scene.tell, tell)
  await kernel.look(calm)
  await kernel.look(calm)
  t.is(scene.reads, 4)
})

test('where nobody listens, each look reads, and equal content is the same value', async (t) => {
  const scene = new Scene()
  const kernel = scene.kernel()
  const first = await kernel.look(calm)
  t.is(await kernel.look(calm), first)
  t.is(scene.reads, 2)
})

test('a change of somebody else’s table between plan and commit is tried again', async (t) => {
  const scene = new Scene()
  const kernel = scene.kernel()
  kernel.listen(() => undefined, calm)
  await kernel.look(calm)
  scene.generation = 9
  // The second of two was heard first, as it may be where they come in two deliveries.
  setTimeout(() => {
    scene.tell(othersChange(9))
    scene.tell(othersChange(8))
  }, 0)
  await kernel.commit(addTable, calm)
  t.is(scene.commits, 1)
  t.is(scene.reads, 1)
})

test('changes of somebody else’s tables that were heard before are no obstacle', async (t) => {
  const scene = new Scene()
  const kernel = scene.kernel()
  kernel.listen(() => undefined, calm)
  await kernel.look(calm)
  scene.generation = 8
  scene.tell(othersChange(8))
  await kernel.commit(addTable, calm)
  t.is(scene.commits, 1)
  t.is(scene.reads, 1)
  t.is(scene.refusals, 0)
})

test('a change of our tables that nobody heard of ends a commit, and is found behind one', async (t) => {
  const scene = new Scene()
  const kernel = scene.kernel()
  const foreign: string[] = []
  kernel.listen(() => foreign.push('heard'), calm)
  await kernel.look(calm)
  scene.generation = 9
  scene.tables.set('inet', table(true))
  await t.throwsAsync(kernel.commit(addMuch, calm), { code: 'PUR_NFT_CONCURRENT' })
  await kernel.look(calm)
  await kernel.commit(addMuch, calm)
  scene.generation++
  scene.tables.clear()
  while (foreign.length === 0) await systemClock.sleep(1)
  t.is(kernel.held, undefined)
})

test('a change of somebody else’s table that nobody heard of is looked at, and then forgotten', async (t) => {
  const scene = new Scene()
  const kernel = scene.kernel()
  const foreign: string[] = []
  kernel.listen(() => foreign.push('heard'), calm)
  const held = await kernel.look(calm)
  await kernel.commit(addMuch, calm)
  scene.generation++
  while (scene.reads < 2) await systemClock.sleep(1)
  await systemClock.sleep(1)
  t.is(kernel.held, held)
  await kernel.commit(addMuch, calm)
  t.is(scene.refusals, 0)
  t.deepEqual(foreign, [])
})

test('what is taken to stand there after a commit is not, where somebody else was heard meanwhile', async (t) => {
  const scene = new Scene()
  const kernel = scene.kernel()
  kernel.listen(() => undefined, calm)
  const before = await kernel.look(calm)
  const committed = kernel.commit(addTable, calm)
  scene.tell(change(false, 9))
  await committed
  kernel.take({ ...before, foreign: ['ours'] }, before)
  t.is(kernel.held, undefined)
})

test('a change of our tables between plan and commit ends the commit', async (t) => {
  for (const listening of [true, false]) {
    const scene = new Scene()
    const kernel = scene.kernel()
    if (listening) kernel.listen(() => undefined, calm)
    await kernel.look(calm)
    scene.generation = 12
    scene.tables.set('inet', table(true))
    if (listening) setTimeout(() => scene.tell(change(false)), 0)
    await t.throwsAsync(kernel.commit(addTable, calm), { code: 'PUR_NFT_CONCURRENT' })
    t.is(scene.commits, 0)
  }
})

test('a table of our name without our mark is refused', async (t) => {
  const scene = new Scene()
  scene.tables.set('inet', table(false))
  const error = await t.throwsAsync(scene.kernel().look(calm))
  t.like(error, { code: 'PUR_NFT_REFUSED', context: { table: 'inet purlin' } })
})

test('what is learned while tables are being read is newer than what was read', async (t) => {
  const scene = new Scene()
  const kernel = scene.kernel()
  const [before] = await Promise.all([kernel.look(calm), Promise.resolve()])
  const taken = { ...before, foreign: ['newer'] }
  const reading = kernel.read(before, calm)
  kernel.take(taken, before)
  t.is(await reading, taken)
})
