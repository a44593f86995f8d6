import { type Caller, type CatalogueFollower, catalogueOf } from '@purlin/service'
import test from 'ava'
import { consoleHandlers } from './handlers.ts'

/** Asks for the console of a machine that is on `at`, as `caller`. */
async function ask(name: string, at: string | undefined, caller?: Caller): Promise<unknown> {
  const record = {
    manifest: { kind: 'VirtualMachine', name: 'web-1', spec: at === undefined ? {} : { host: at } },
    ...{ uid: 'u', generation: 1, revision: 1, createdAtMs: 0 },
  }
  const current = catalogueOf(new Map([['/resource/VirtualMachine/web-1', record as never]]), 1)
  const given = { path: '/v1/console', token: 't', expiresAtMs: 1 }
  const handlers = consoleHandlers({
    catalogue: { current: () => current } as CatalogueFollower,
    consoles: {
      ask: async (_record, { kind }, { name: who }) => ({ ...given, token: `${kind} ${who}` }),
    },
    host: 'host-a',
  })
  const body = { kind: 'serial', force: false, tailBytes: 0 }
  const call = { params: { name }, body, signal: new AbortController().signal, caller }
  return await handlers.openMachineConsole(call as never).then(
    ({ token }) => token,
    ({ code, context }: { code: string; context: object }) => ({ code, ...context }),
  )
}

const ci: Caller = { name: 'token ci', role: 'operator' }

test('the machine’s own host gives leave to who asks; another one tells where the machine is', async (t) => {
  t.is(await ask('web-1', 'host-a', ci), 'serial token ci')
  t.is(await ask('web-1', undefined, ci), 'serial token ci')
  t.deepEqual(await ask('web-1', 'host-b', ci), {
    ...{ code: 'PUR_VIRT_NO_DOMAIN', machine: 'web-1', host: 'host-b' },
  })
  t.deepEqual(await ask('web-2', undefined, ci), { code: 'PUR_RESOURCE_MISSING' })
  t.deepEqual(await ask('web-1', 'host-a'), { code: 'PUR_AUTH_REQUIRED' })
})
