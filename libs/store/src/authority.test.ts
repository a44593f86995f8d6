import { X509Certificate } from 'node:crypto'
import { run } from '@purlin/base'
import test from 'ava'
import {
  createAuthority,
  createRequest,
  createRevocationList,
  issueIdentity,
  publicKeyOfRequest,
  signRequest,
} from './authority.ts'

test('a certificate says what its authority says, whatever the request asks for', async (t) => {
  const authority = await createAuthority('dc1')
  const { key, request } = await createRequest('evil')
  const subject = { name: 'host-b', addresses: ['192.0.2.2', '2001:db8::2', 'b.example.org'] }
  const certificate = new X509Certificate(await signRequest(authority, request, subject))
  const ca = new X509Certificate(authority.certificate)
  t.true(ca.ca)
  t.false(certificate.ca)
  t.true(certificate.checkIssued(ca))
  t.true(certificate.verify(ca.publicKey))
  t.true(certificate.subject.endsWith('CN=host-b'))
  t.truthy(certificate.checkIP('192.0.2.2'))
  t.truthy(certificate.checkIP('2001:db8::2'))
  t.truthy(certificate.checkHost('b.example.org'))
  t.is(certificate.checkHost('evil'), undefined)
  t.true(key.startsWith('-----BEGIN PRIVATE KEY-----'))
})

test('a request that is none, and a name that would write its own lines, are refused', async (t) => {
  const authority = await createAuthority('dc1')
  const subject = { name: 'host-b', addresses: [] }
  await t.throwsAsync(signRequest(authority, 'no request', subject), { code: 'PUR_INVALID' })
  for (const name of ['', 'a\nb', 'x,DNS:y', '[v3]', '-subj']) {
    await t.throwsAsync(issueIdentity(authority, { name, addresses: [] }), { code: 'PUR_INVALID' })
    await t.throwsAsync(issueIdentity(authority, { name: 'a', addresses: [name] }), {
      code: 'PUR_INVALID',
    })
  }
})

test('a request over a key that is there shows that key; a certificate is good for its days', async (t) => {
  const authority = await createAuthority('dc1')
  const { key } = await createRequest('host-b')
  const { request } = await createRequest('host-b', undefined, key)
  const subject = { name: 'host-b', addresses: [] }
  const certificate = new X509Certificate(
    await signRequest(authority, request, subject, undefined, 365),
  )
  const shown = await publicKeyOfRequest(request)
  t.is(shown, certificate.publicKey.export({ type: 'spki', format: 'pem' }).toString())
  const days = (Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)) / 86_400_000
  t.is(Math.round(days), 365)
})

test('a list of revoked certificates names them, and is of the authority', async (t) => {
  const authority = await createAuthority('dc1')
  const own = await issueIdentity(authority, { name: 'host-b', addresses: [] })
  const { serialNumber: serial, validTo } = new X509Certificate(own.certificate)
  const nowMs = Date.parse('2026-11-21T12:00:00Z')
  const revoked = { serial, endsAtMs: Date.parse(validTo), revokedAtMs: nowMs }
  const shown = async (crl: string): Promise<string> => {
    const words = ['crl', '-noout', '-text']
    return (await run('openssl', words, { timeoutMs: 10_000, input: crl })).stdout
  }
  const text = await shown(await createRevocationList(authority, [revoked], nowMs))
  t.true(text.includes(`Serial Number: ${serial}`), text)
  t.true(text.includes('Nov 21 12:00:00 2026 GMT'), text)
  t.true(text.includes('CN = dc1'), text)
  t.true((await shown(await createRevocationList(authority, [], nowMs))).includes('No Revoked'))
})
