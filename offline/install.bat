@echo off
rem Installs the NTM workbook from this folder; needs no network. Options go to install.py, such as --to FOLDER.
for %%v in (3.11 3.12 3.13 3.14) do (
    py -%%v "%~dp0install.py" --fits >nul 2>nul && (py -%%v "%~dp0install.py" %* & goto end)
)
python "%~dp0install.py" %*
:end
pause
