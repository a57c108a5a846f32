// An OpenID Connect provider by the npm package oidc-provider, with the pages for developers that it
// comes with: whoever logs in there is believed. The argument is JSON; see test_openid_provider.py.
// Each line of standard input replaces the provider's key; each line of its output says that it is ready.

import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { exportJWK, generateKeyPair, importJWK, jwtVerify } from 'jose'
import { Provider } from 'oidc-provider'

const { port, client, apple } = JSON.parse(process.argv[2])
const issuer = `http://127.0.0.1:${port}`
const appleKey = await importJWK(apple.key, 'ES256')
const shared = { response_types: ['code'], token_endpoint_auth_method: 'client_secret_post' }
let keys = 0
let answer

async function start() {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  keys += 1
  const provider = new Provider(issuer, {
    clients: [client, apple.client].map((each) => ({ ...shared, ...each })),
    claims: { openid: ['sub'], email: ['email', 'email_verified'] },
    cookies: { keys: ['of the tests'] },
    jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig', kid: `key ${keys}` }] },
    pkce: { required: () => true },
    async findAccount(context, login) {
      const claims = async () => ({ sub: login, email: `${login}@example.com`, email_verified: login !== 'eve' })
      return { accountId: login, claims }
    },
  })
  // What Apple does: its clients' secrets are tokens, which they sign.
  const compare = provider.Client.prototype.compareClientSecret
  provider.Client.prototype.compareClientSecret = async function (secret) {
    if (this.clientId !== apple.client.client_id) return compare.call(this, secret)
    const options = { algorithms: ['ES256'], audience: issuer, issuer: apple.team, subject: this.clientId }
    const found = await jwtVerify(secret, appleKey, { ...options, requiredClaims: ['iat', 'exp'] }).catch(() => null)
    return found?.protectedHeader.kid === apple.key.kid
  }
  answer = provider.callback()
}

await start()
createServer((request, response) => answer(request, response)).listen(port, '127.0.0.1', () => console.log('ready'))
for await (const line of createInterface({ input: process.stdin })) {
  await start()
  console.log('ready')
}
process.exit(0)
