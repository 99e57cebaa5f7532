/** What the compiler says of an app's file, in its strictest mode. */
import ts from 'typescript';

const root = new URL('../../clients/js/', import.meta.url).pathname;

/** What it has against the text, as if it were a file of the package; `others` are files beside it, by name. */
export function mistakesIn(text, others = {}) {
  const texts = new Map(Object.entries({ ...others, 'example.tsx': text }).map(([name, content]) => [root + name, content]));
  const options = {
    strict: true, noEmit: true, jsx: ts.JsxEmit.ReactJSX, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext, skipLibCheck: true, types: [],
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (name) => texts.has(name) || fileExists(name);
  host.readFile = (name) => texts.get(name) ?? readFile(name);
  host.getSourceFile = (name, version) => (texts.has(name)
    ? ts.createSourceFile(name, texts.get(name), version) : getSourceFile(name, version));
  return ts.getPreEmitDiagnostics(ts.createProgram([...texts.keys()], options, host)).map(({ file, messageText, start }) => {
    const line = file?.getLineAndCharacterOfPosition(start).line + 1;
    return `${file?.fileName.slice(root.length)}:${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
}

/** What the editor would offer where the text has `|`. */
export function completionsIn(marked, others = {}) {
  const at = marked.indexOf('|');
  const texts = new Map(Object.entries({ ...others, 'example.tsx': marked.replace('|', '') })
    .map(([name, content]) => [root + name, content]));
  const service = ts.createLanguageService({
    getScriptFileNames: () => [...texts.keys()],
    getScriptVersion: () => '1',
    getScriptSnapshot(name) {
      const text = texts.get(name) ?? ts.sys.readFile(name);
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
    },
    getCurrentDirectory: () => root,
    getCompilationSettings: () => ({
      strict: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext,
      skipLibCheck: true, types: [],
    }),
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: (name) => texts.has(name) || ts.sys.fileExists(name),
    readFile: (name) => texts.get(name) ?? ts.sys.readFile(name),
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
  });
  return (service.getCompletionsAtPosition(`${root}example.tsx`, at, {})?.entries ?? []).map(({ name }) => name);
}
