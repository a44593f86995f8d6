import { readFile, writeFile } from 'node:fs/promises'
import { bareMetalKinds, bareMetalOperations, kinds, type Operation } from '@purlin/schema'
import { buildApi, type HandlersOf, type ResourceHandlers } from '@purlin/service'
import test from 'ava'
import { pino } from 'pino'

const FILE = new URL('../../../../docs/api/bare-metal/openapi.json', import.meta.url)

/** Nothing is called: the document follows from the routes alone. */
async function documentText(): Promise<string> {
  const app = await buildApi({
    title: 'Purlin bare metal',
    version: '0.1.0',
    tokens: {} as never,
    operations: bareMetalOperations,
    handlers: {} as HandlersOf<typeof bareMetalOperations>,
    kinds: bareMetalKinds,
    resources: {} as ResourceHandlers,
    logger: pino({ level: 'silent' }),
  })
  const text = `${JSON.stringify(app.swagger(), null, 1)}\n`
  await app.close()
  return text
}

test('docs/api/bare-metal/openapi.json is what the routes say (UPDATE_OPENAPI=1 writes it anew)', async (t) => {
  const current = await documentText()
  if (process.env.UPDATE_OPENAPI === '1') await writeFile(FILE, current)
  t.true(
    (await readFile(FILE, 'utf8')) === current,
    'run with UPDATE_OPENAPI=1 and commit the file',
  )
})

test('the document has every call and every kind of the daemon, and none of a host', async (t) => {
  const document = JSON.parse(await documentText())
  t.is(document.openapi, '3.1.0')
  const calls: Readonly<Record<string, Operation>> = bareMetalOperations
  for (const [name, { path, method }] of Object.entries(calls)) {
    const written = path.replaceAll(/:([a-z]+)/g, '{$1}')
    t.is(document.paths[written]?.[method.toLowerCase()]?.operationId, name)
  }
  for (const kind of bareMetalKinds) t.truthy(document.paths[`/v1/${kinds[kind].plural}`]?.get)
  t.is(document.paths['/v1/virtual-machines'], undefined)
})
