// What the playground page takes from its packages: nothing else leaves the bundle.
import 'graphiql/style.css';
import { GraphiQL } from 'graphiql';
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';

globalThis.playgroundParts = { GraphiQL, createElement, createRoot };
