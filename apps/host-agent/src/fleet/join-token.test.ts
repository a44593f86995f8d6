import { createVirtualClock } from '@purlin/base'
import { openSqliteStore } from '@purlin/store'
import test, { type ExecutionContext } from 'ava'
import { createJoinToken, parseJoinToken, useJoinToken } from './join-token.ts'

const AUTHORITY = 'a'.repeat(64)

async function opened(t: ExecutionContext) {
  const clock = createVirtualClock(1_700_000_000_000)
  const store = await openSqliteStore({ file: ':memory:', clock })
  t.teardown(() => store.close())
  return { clock, store }
}

test('the store keeps a hash of a token, never its text', async (t) => {
  const { clock, store } = await opened(t)
  const { token } = await createJoinToken(store, clock, AUTHORITY, { minutes: 5 })
  const { secret, authorityHash } = parseJoinToken(token)
  t.is(authorityHash, AUTHORITY)
  t.false(JSON.stringify((await store.list('')).entries).includes(secret))
})

test('a token is used up by the transaction that uses it', async (t) => {
  const { clock, store } = await opened(t)
  const { token } = await createJoinToken(store, clock, AUTHORITY, { minutes: 5 })
  const [one, other] = [
    await useJoinToken(store, clock, token, 'a'),
    await useJoinToken(store, clock, token, 'b'),
  ]
  await store.transact({ guards: [one.guard], writes: [one.write] })
  await t.throwsAsync(store.transact({ guards: [other.guard], writes: [other.write] }), {
    code: 'PUR_STORE_CONFLICT',
  })
  await t.throwsAsync(useJoinToken(store, clock, token, 'a'), { code: 'PUR_FLEET_TOKEN' })
})

test('a token ends with its time, and opens to its own host alone', async (t) => {
  const { clock, store } = await opened(t)
  const { token } = await createJoinToken(store, clock, AUTHORITY, { host: 'a', minutes: 5 })
  await t.throwsAsync(useJoinToken(store, clock, token, 'b'), { code: 'PUR_FLEET_TOKEN' })
  await t.notThrowsAsync(useJoinToken(store, clock, `${token}\n`, 'a'))
  await clock.advance(5 * 60_000 + 1)
  await t.throwsAsync(useJoinToken(store, clock, token, 'a'), { code: 'PUR_FLEET_TOKEN' })
  await createJoinToken(store, clock, AUTHORITY, { minutes: 5 })
  t.is((await store.list('/join/')).entries.length, 1)
})

test('any other text is no token, and is not shown again', (t) => {
  for (const text of ['', 'secret', `purlin-join.0.${'x'.repeat(43)}.${AUTHORITY}`]) {
    const error = t.throws(() => parseJoinToken(text), { code: 'PUR_FLEET_TOKEN' })
    t.false(text.length > 3 && error?.message.includes(text))
  }
})
