"""From finished runs to tables and figures."""

import warnings

# tqdm, which timm imports, asks notebooks for widgets that nothing here shows
warnings.filterwarnings("ignore", message="IProgress not found")
