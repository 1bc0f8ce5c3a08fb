"""How others lay datasets out, written: WebDataset, image folders, COCO, VOC, YOLO. They are read by ``tasks.load``."""
