// Compiles src/*.sol with the pinned solc from npm: `node contracts/build.mjs [folder]`.
// Writes for each deployable contract <folder>/<Name>.json (ABI and creation code), and manifest.json: the compiler and
// the SHA-256 of every source and every artifact. The folder is contracts/artifacts unless another is named.
import { createRequire } from 'node:module'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const solc = createRequire(import.meta.url)('solc')
const out = process.argv[2] ?? join(here, 'artifacts')
const sha256 = (text) => createHash('sha256').update(text).digest('hex')

const settings = {
  // The oldest rules of the chains that it is meant for: artifacts run everywhere.
  evmVersion: 'shanghai',
  optimizer: { enabled: true, runs: 10000 },
  // No hash of file names or comments in the code: the same code from the same statements.
  metadata: { bytecodeHash: 'none', appendCBOR: false },
}

const texts = {}
for (const name of readdirSync(join(here, 'src')).filter((name) => name.endsWith('.sol')).sort()) {
  texts[name] = readFileSync(join(here, 'src', name), 'utf8')
}
const output = JSON.parse(solc.compile(JSON.stringify({
  language: 'Solidity',
  sources: Object.fromEntries(Object.entries(texts).map(([name, content]) => [name, { content }])),
  settings: { ...settings, outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } } },
})))
// Warnings count: nothing is committed that the compiler frowns at.
if (output.errors?.length > 0) {
  console.error(output.errors.map((error) => error.formattedMessage).join('\n'))
  process.exit(1)
}

mkdirSync(out, { recursive: true })
const artifacts = {}
for (const [file, contracts] of Object.entries(output.contracts)) {
  for (const [name, contract] of Object.entries(contracts)) {
    if (file !== `${name}.sol`) continue
    const code = contract.evm.bytecode.object
    if (code === '') continue // an interface
    const text = JSON.stringify({ abi: contract.abi, bytecode: `0x${code}` }, null, 1) + '\n'
    writeFileSync(join(out, `${name}.json`), text)
    artifacts[`${name}.json`] = sha256(text)
  }
}
const sources = Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, sha256(text)]))
const manifest = { compiler: solc.version(), settings, sources, artifacts }
writeFileSync(join(out, 'manifest.json'), JSON.stringify(manifest, null, 2) + '\n')
