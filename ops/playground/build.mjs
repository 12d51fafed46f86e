// Bundles the playground and collects the licences of what went in: node build.mjs OUT, beside node_modules.
import { build } from 'esbuild';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const out = process.argv[2];

// The style sheets carry several hundred kilobytes of embedded fonts; the reader's own fonts serve as well.
const withoutFonts = {
  name: 'without-fonts',
  setup(bundler) {
    bundler.onLoad({ filter: /\.css$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(/@font-face\s*\{[^}]*\}/g, ''),
      loader: 'css',
    }));
  },
};

const { metafile } = await build({
  entryPoints: { graphiql: 'entry.js' },
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2022',
  define: { 'process.env.NODE_ENV': '"production"' },
  legalComments: 'none', // they stand in LICENSES.txt, in full
  metafile: true,
  outdir: out,
  plugins: [withoutFonts],
});

// Packages that arrive inside another package's own bundle, so that no input path names them.
const bundledInside = ['@graphiql/react', '@graphiql/toolkit', 'codemirror', 'markdown-it'];
const found = Object.keys(metafile.inputs)
  .map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1])
  .filter(Boolean);
const names = [...new Set([...found, ...bundledInside])].sort();

const packages = names.map((name) => {
  const folder = join('node_modules', name);
  const { version, license, repository, author } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((entry) => /^(licen[cs]e|copying)/i.test(entry));
  const text = file && readFileSync(join(folder, file), 'utf8').replace(/[ \t\r]+$/gm, '').trim();
  const home = String(repository?.url ?? repository ?? name).replace(/^git\+|\.git$/g, '');
  return { title: `${name} ${version} (${license})`, text, home, holder: author?.name ?? author, license };
});
// Some packages leave the text to a sibling of the same repository; others only name the licence and the holder.
const permission = /Permission is hereby granted[^]*/.exec(packages.find(({ title }) => title.startsWith('react 19')).text)[0];
const licenceText = ({ title, text, home, holder, license }) => {
  const shared = text ?? packages.find((sibling) => sibling.text && sibling.home === home)?.text;
  if (shared) return shared;
  if (license !== 'MIT') throw new Error(`no licence text for ${title}`);
  return `MIT License\n\nCopyright (c) ${holder ?? `the contributors to ${home}`}\n\n${permission}`;
};
const texts = new Map();
for (const one of packages) texts.set(licenceText(one), [...(texts.get(licenceText(one)) ?? []), one.title]);
const rule = '-'.repeat(80);
const blocks = [...texts].map(([text, users]) => `${rule}\n${users.join('\n')}\n${rule}\n\n${text}\n`);
writeFileSync(
  join(out, 'LICENSES.txt'),
  `graphiql.js and graphiql.css in this folder are bundled from the packages named here, each under its licence.\n\n${blocks.join('\n')}`,
);
console.log(`${packages.length} packages bundled`);
