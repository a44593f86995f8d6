import { X509Certificate } from 'node:crypto'
import { createAuthority, createRequest, signRequest } from '@purlin/store'
import test from 'ava'
import { leftMs, noteCertificate, renewalDue, revokedOf } from './certificates.ts'

const DAY_MS = 86_400_000

async function certificateOf(days: number): Promise<string> {
  const authority = await createAuthority('dc1')
  const { request } = await createRequest('host-b')
  return await signRequest(authority, request, { name: 'host-b', addresses: [] }, undefined, days)
}

test('a certificate is renewed in the last third of its life, a short one at once', async (t) => {
  const year = await certificateOf(365)
  const nowMs = Date.parse(new X509Certificate(year).validFrom)
  t.false(renewalDue(year, nowMs))
  t.false(renewalDue(year, nowMs + 240 * DAY_MS))
  t.true(renewalDue(year, nowMs + 245 * DAY_MS))
  t.true(renewalDue(year, nowMs + 400 * DAY_MS))
  t.true(leftMs(year, nowMs + 400 * DAY_MS) < 0)
  t.true(renewalDue(await certificateOf(20), nowMs))
})

test('a list of revoked certificates has those that are revoked and have not ended', async (t) => {
  const certificate = await certificateOf(365)
  const note = noteCertificate('host-b', certificate)
  const { serialNumber } = new X509Certificate(certificate)
  t.like(note, { put: `/certificate/${serialNumber}`, value: { host: 'host-b' } })
  const entry = (serial: string, value: object) => ({ key: `/certificate/${serial}`, value })
  const found = revokedOf(
    [
      entry('0B', { host: 'b', endsAtMs: 200, revokedAtMs: 50 }),
      entry('0C', { host: 'c', endsAtMs: 200 }),
      entry('0A', { host: 'a', endsAtMs: 200, revokedAtMs: 40 }),
      entry('0D', { host: 'd', endsAtMs: 90, revokedAtMs: 40 }),
    ],
    100,
  )
  t.deepEqual(
    found.map(({ serial }) => serial),
    ['0A', '0B'],
  )
})
