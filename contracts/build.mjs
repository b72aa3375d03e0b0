// Compiles src/*.sol and generated/*.sol with the pinned solc from npm: `node contracts/build.mjs [folder]`.
// Writes for each deployable contract <folder>/<Name>.json (ABI and creation code), and manifest.json: the compiler and
// the SHA-256 of every source, of every library source that they import, and of every artifact. The folder is
// contracts/artifacts unless another is named.
import { createRequire } from 'node:module'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const require = createRequire(import.meta.url)
const solc = require('solc')
const out = process.argv[2] ?? join(here, 'artifacts')
const sha256 = (text) => createHash('sha256').update(text).digest('hex')

const settings = {
  // The oldest rules that the libraries compile for, and every L1 has.
  evmVersion: 'cancun',
  optimizer: { enabled: true, runs: 10000 },
  viaIR: true,
  // No hash of file names or comments in the code: the same code from the same statements.
  metadata: { bytecodeHash: 'none', appendCBOR: false },
}

// What snark-verifier generates (docs/snark.md) is one long block of assembly, for which the optimizer of Yul has too little stack. It counts on
// memory from 0x80 on being free, which it is not in code by way of the intermediate representation.
const generatedSettings = {
  ...settings,
  viaIR: false,
  optimizer: { enabled: true, runs: 100000, details: { yul: false, constantOptimizer: false } },
}

// Contracts of the libraries that are deployed as they are. A rollup's owner may be one.
const asTheyAre = ['@openzeppelin/contracts/governance/TimelockController.sol']

// The library sources that were imported, by their path in node_modules.
const libraries = {}
const library = (path) => {
  libraries[path] ??= readFileSync(require.resolve(path), 'utf8')
  return libraries[path]
}
const imported = (path) => {
  try {
    return { contents: library(path) }
  } catch (error) {
    return { error: `${error.message} (make setup installs the libraries)` }
  }
}
const texts = (folder) =>
  Object.fromEntries(
    readdirSync(join(here, folder))
      .filter((name) => name.endsWith('.sol'))
      .sort()
      .map((name) => [name, readFileSync(join(here, folder, name), 'utf8')]),
  )

mkdirSync(out, { recursive: true })
const artifacts = {}
const compile = (sources, settings) => {
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries(Object.entries(sources).map(([name, content]) => [name, { content }])),
    settings: { ...settings, outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } } },
  }
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: imported }))
  // Warnings count: nothing is committed that the compiler frowns at.
  if (output.errors?.length > 0) {
    console.error(output.errors.map((error) => error.formattedMessage).join('\n'))
    process.exit(1)
  }
  for (const [file, contracts] of Object.entries(output.contracts)) {
    if (!(file in sources)) continue
    for (const [name, contract] of Object.entries(contracts)) {
      if (!file.endsWith(`${name}.sol`)) continue
      const code = contract.evm.bytecode.object
      if (code === '') continue // an interface, or abstract
      const text = JSON.stringify({ abi: contract.abi, bytecode: `0x${code}` }, null, 1) + '\n'
      writeFileSync(join(out, `${name}.json`), text)
      artifacts[`${name}.json`] = sha256(text)
    }
  }
}
const written = texts('src')
const generated = texts('generated')
compile({ ...written, ...Object.fromEntries(asTheyAre.map((path) => [path, library(path)])) }, settings)
if (Object.keys(generated).length > 0) compile(generated, generatedSettings)
const hashes = (files) =>
  Object.fromEntries(Object.entries(files).sort().map(([name, text]) => [name, sha256(text)]))
const package_ = '@openzeppelin/contracts'
const { version } = require(`${package_}/package.json`)
const { integrity } = require('../package-lock.json').packages[`node_modules/${package_}`]
const manifest = {
  compiler: solc.version(),
  settings,
  sources: hashes(written),
  generatedSettings,
  generated: hashes(generated),
  packages: { [package_]: { version, integrity } },
  libraries: hashes(libraries),
  artifacts,
}
writeFileSync(join(out, 'manifest.json'), JSON.stringify(manifest, null, 2) + '\n')
