import { readFile, writeFile } from 'node:fs/promises'
import { hostKinds, kinds, operations } from '@purlin/schema'
import { buildApi, type ResourceHandlers } from '@purlin/service'
import test from 'ava'
import { pino } from 'pino'
import type { OperationHandlers } from './handlers.ts'

const FILE = new URL('../../../../docs/api/openapi.json', import.meta.url)

/** Nothing is called: the document follows from the routes alone. */
async function documentText(): Promise<string> {
  const app = await buildApi({
    version: '0.1.0',
    tokens: {} as never,
    title: 'Purlin host agent',
    operations,
    handlers: {} as OperationHandlers,
    kinds: hostKinds,
    resources: {} as ResourceHandlers,
    logger: pino({ level: 'silent' }),
  })
  const text = `${JSON.stringify(app.swagger(), null, 1)}\n`
  await app.close()
  return text
}

test('docs/api/openapi.json is what the routes say (UPDATE_OPENAPI=1 writes it anew)', async (t) => {
  const current = await documentText()
  if (process.env.UPDATE_OPENAPI === '1') await writeFile(FILE, current)
  t.true(
    (await readFile(FILE, 'utf8')) === current,
    'run with UPDATE_OPENAPI=1 and commit the file',
  )
})

test('the document is OpenAPI 3.1 with every call and every kind', async (t) => {
  const document = JSON.parse(await documentText())
  t.is(document.openapi, '3.1.0')
  for (const [name, { path, method }] of Object.entries(operations)) {
    const written = path.replaceAll(/:([a-z]+)/g, '{$1}')
    t.is(document.paths[written]?.[method.toLowerCase()]?.operationId, name)
  }
  for (const kind of hostKinds) t.truthy(document.paths[`/v1/${kinds[kind].plural}`]?.get)
})
