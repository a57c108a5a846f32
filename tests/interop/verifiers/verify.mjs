// Verifies tokens with libraries for Node, by a clock that standard input tells: see verify.py.

import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { createRequire } from 'node:module'

const [library, address, issuer, audience] = process.argv.slice(2)
const RealDate = Date
let now = 0
globalThis.Date = class extends RealDate {
  constructor(...parts) {
    super(...(parts.length === 0 ? [now] : parts))
  }
  static now() {
    return now
  }
}

async function withJose() {
  const { createRemoteJWKSet, jwtVerify } = await import('jose')
  const keys = createRemoteJWKSet(new URL(`${address}/.well-known/jwks.json`))
  const options = { algorithms: ['ES256'], typ: 'JWT', issuer, audience, requiredClaims: ['uid', 'type'] }
  return async (token) => (await jwtVerify(token, keys, options)).payload
}

async function withExpress() {
  const require = createRequire(import.meta.url)
  const { auth } = require('express-oauth2-jwt-bearer')
  const app = require('express')()
  app.use(auth({ issuerBaseURL: issuer, audience, tokenSigningAlg: 'ES256' }))
  app.get('/', (request, response) => response.json(request.auth.payload))
  app.use((error, request, response, next) => response.status(error.status ?? 500).json(error.message))
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  server.unref()
  const url = `http://127.0.0.1:${server.address().port}/`
  return async (token) => {
    const answer = await fetch(url, { headers: { authorization: `Bearer ${token}`, connection: 'close' } })
    if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`)
    return answer.json()
  }
}

const verify = await { jose: withJose, 'express-oauth2-jwt-bearer': withExpress }[library]()
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line)
  now = asked.now * 1000
  let said
  try {
    said = (await verify(asked.token)).type === 'access' ? 'accepted' : 'type'
  } catch (error) {
    said = `${error.name}: ${error.message}`
  }
  process.stdout.write(`${JSON.stringify(said)}\n`)
}
process.exit(0) // Express and its connections would keep it for a while.
