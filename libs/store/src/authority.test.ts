import { X509Certificate } from 'node:crypto'
import test from 'ava'
import { createAuthority, createRequest, issueIdentity, signRequest } from './authority.ts'

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
